"""Golden files of one tuning step: loss and gradients of a two-layer projector and of low-rank
matrices on all projections of a toy model, through PyTorch and the peft library.
Run: python tuning.py <output directory>
Made with peft 0.21.2, transformers 5.23.0 and torch 2.11.0 (CPU, f32)."""

import json
import sys
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import save_file
from torch import nn

HIDDEN, VOCAB, DIM, INNER, PREFIX = 16, 32, 6, 10, 2
BEFORE, AFTER = [6], [1, 4, 5, 9]
CAPTIONS = [[10, 11, 12, 13], [14, 15], [16, 17, 18, 19, 20, 21]]
END, IGNORED = 2, -100


def main() -> None:
    folder = Path(sys.argv[1]) / "llama_tuning"
    print("peft", peft.__version__, "transformers", transformers.__version__, "torch", torch.__version__)
    torch.set_num_threads(1)
    torch.manual_seed(40)
    config = transformers.LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=24,
        max_position_embeddings=64,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=END,
        pad_token_id=0,
        attn_implementation="eager",
    )
    model = transformers.LlamaForCausalLM(config).eval()
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    # A tokenizer of numbered words.
    words = {f"w{number}": number for number in range(VOCAB)}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "w3"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer) + "\n")

    scale = model.get_input_embeddings().weight.detach().double().square().mean().sqrt().float()
    lora = peft.LoraConfig(
        r=3,
        lora_alpha=5,
        lora_dropout=0.0,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    )
    adapted = peft.get_peft_model(model, lora)
    tuned = {}
    with torch.no_grad():
        for key, parameter in adapted.named_parameters():
            if "lora_" in key:
                parameter.normal_(0.0, 0.2)
                short = key.removeprefix("base_model.model.").replace(".default", "")
                tuned["lora." + short] = parameter
    projector = nn.ModuleDict({"inner": nn.Linear(DIM, INNER), "outer": nn.Linear(INNER, PREFIX * HIDDEN)})
    tuned |= dict(projector.named_parameters())

    embeddings = nn.functional.normalize(torch.randn(len(CAPTIONS), DIM), dim=-1)
    x = projector["outer"](nn.functional.gelu(projector["inner"](embeddings * DIM**0.5))) * scale
    prefix = x.view(len(CAPTIONS), PREFIX, HIDDEN)
    embed = model.get_input_embeddings()
    longest = max(map(len, CAPTIONS))
    lead = len(BEFORE) + PREFIX + len(AFTER)
    ids = torch.tensor([AFTER + caption + [0] * (longest - len(caption)) for caption in CAPTIONS])
    before = torch.tensor([BEFORE] * len(CAPTIONS))
    embeds = torch.cat([embed(before), prefix, embed(ids)], 1)
    targets = torch.full(embeds.shape[:2], IGNORED)
    for row, caption in enumerate(CAPTIONS):
        line = caption + [END]
        targets[row, lead - 1 : lead - 1 + len(line)] = torch.tensor(line)
    logits = adapted(inputs_embeds=embeds).logits
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
    loss.backward()
    tensors = {"embeddings": embeddings, "loss": loss.detach()}
    for name, parameter in tuned.items():
        tensors["value." + name] = parameter.detach().clone()
        tensors["gradient." + name] = parameter.grad.clone()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "expected.safetensors")
    print(loss.item(), max(parameter.grad.abs().max().item() for parameter in tuned.values()))


if __name__ == "__main__":
    main()
