"""Golden file of low-rank adaptation: the toy models of llama.py with seeded random
matrices as the peft library applies them, all four projections of the attention in
the one, query and value in the other. Run beside the folders that llama.py writes:
python lora.py <directory>
Made with peft 0.21.2, transformers 5.23.0 and torch 2.11.0 (CPU, f32)."""

import sys
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

out = Path(sys.argv[1])
print("peft", peft.__version__, "transformers", transformers.__version__, "torch", torch.__version__)
for name, targets in [
    ("llama_gqa", ["q_proj", "k_proj", "v_proj", "o_proj"]),
    ("llama_tied", ["q_proj", "v_proj"]),
]:
    torch.manual_seed(21)
    model = transformers.LlamaForCausalLM.from_pretrained(
        out / name, dtype=torch.float32, attn_implementation="eager"
    )
    config = peft.LoraConfig(r=3, lora_alpha=5, target_modules=targets, lora_dropout=0.0)
    model = peft.get_peft_model(model, config).eval()
    tensors = {}
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                parameter.normal_(0.0, 0.3)
                short = key.removeprefix("base_model.model.").replace(".default", "")
                tensors["lora." + short] = parameter.detach().clone()
        given = load_file(out / name / "expected.safetensors")
        logits = model(given["tokens"][:1]).logits
    print(name, (logits - given["logits"][:1]).abs().max().item(), logits.std().item())
    tensors["logits"] = logits.contiguous()
    save_file(tensors, out / name / "lora.safetensors")
