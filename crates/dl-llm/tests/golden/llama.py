"""Golden files of the Llama decoder: a toy model with seeded random weights as the
transformers library saves and computes it. Run: python llama.py <output directory>
Made with transformers 5.23.0 and torch 2.11.0 (CPU, f32)."""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

out = Path(sys.argv[1])
print("transformers", transformers.__version__, "torch", torch.__version__)
for name, tied in [("llama_gqa", False), ("llama_tied", True)]:
    torch.manual_seed(20)
    config = transformers.LlamaConfig(
        vocab_size=300,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2 if not tied else 4,
        intermediate_size=24,
        max_position_embeddings=64,
        rope_theta=10000.0 if tied else 500000.0,
        rms_norm_eps=1e-5,
        tie_word_embeddings=tied,
        initializer_range=0.5,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        attn_implementation="eager",
    )
    model = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "norm" in parameter_name:
                parameter.uniform_(0.5, 1.5)
    folder = out / name
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tokens = torch.randint(3, 300, (3, 11))
    embeds = torch.randn(2, 7, 16)
    # Left padding: the first two and the first four places hold nothing.
    readable = torch.ones(2, 7, dtype=torch.long)
    readable[0, :2] = 0
    readable[1, :4] = 0
    positions = (readable.cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        logits = model(tokens).logits
        from_embeds = model(inputs_embeds=embeds).logits
        padded = model(inputs_embeds=embeds, attention_mask=readable, position_ids=positions).logits
    save_file(
        {
            "tokens": tokens,
            "logits": logits.contiguous(),
            "embeds": embeds,
            "from_embeds": from_embeds.contiguous(),
            "readable": readable,
            "positions": positions,
            "padded": padded.contiguous(),
        },
        folder / "expected.safetensors",
    )
    print(name, logits.std().item(), json.loads((folder / "config.json").read_text()).get("rope_parameters"))
