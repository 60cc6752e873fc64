"""Golden captions of the tuned toy model: greedy search and beams behind a prompt that has tokens
before its prefix, through transformers' generate on the files that tuning.py wrote.
Run: python tuned_captions.py <output directory of tuning.py>
Made with transformers 5.23.0 and torch 2.11.0 (CPU, f32)."""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from torch import nn

# As in tuning.py.
HIDDEN, DIM, PREFIX, ALPHA_OVER_RANK = 16, 6, 2, 5 / 3
BEFORE, AFTER, END = [6], [1, 4, 5, 9], 2
SEARCHES = {
    "greedy": {"num_beams": 1},
    "beams": {"num_beams": 3, "length_penalty": 1.0, "early_stopping": False},
    "beams_no_repeat": {"num_beams": 4, "length_penalty": 1.0, "no_repeat_ngram_size": 2, "early_stopping": False},
}


def main() -> None:
    folder = Path(sys.argv[1]) / "llama_tuning"
    torch.set_num_threads(1)
    model = transformers.LlamaForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    stored = load_file(folder / "expected.safetensors")
    values = {name.removeprefix("value."): value for name, value in stored.items() if name.startswith("value.")}
    embed = model.get_input_embeddings()
    scale = embed.weight.detach().double().square().mean().sqrt().float()
    with torch.no_grad():
        for name, module in model.named_modules():
            down = values.get(f"lora.{name}.lora_A.weight")
            if down is not None:
                module.weight += ALPHA_OVER_RANK * values[f"lora.{name}.lora_B.weight"] @ down
    linear = lambda x, name: nn.functional.linear(x, values[name + ".weight"], values[name + ".bias"])
    embeddings = stored["embeddings"]
    prefix = linear(nn.functional.gelu(linear(embeddings * DIM**0.5, "inner")), "outer") * scale
    rows = len(embeddings)
    before, after = (embed(torch.tensor([tokens] * rows)) for tokens in (BEFORE, AFTER))
    embeds = torch.cat([before, prefix.view(rows, PREFIX, HIDDEN), after], 1)
    captions = {}
    for name, search in SEARCHES.items():
        found = model.generate(
            inputs_embeds=embeds,
            attention_mask=torch.ones(embeds.shape[:2], dtype=torch.long),
            do_sample=False,
            max_new_tokens=8,
            pad_token_id=0,
            eos_token_id=END,
            **search,
        )
        lines = []
        for row in found.tolist():
            row = row[: row.index(END)] if END in row else row
            lines.append(" ".join(f"w{token}" for token in row))
        captions[name] = lines
    print(json.dumps(captions, indent=1))
    (folder / "captions.json").write_text(json.dumps(captions, indent=1) + "\n")


if __name__ == "__main__":
    main()
