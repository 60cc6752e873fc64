"""Golden outputs of all-MiniLM-L6-v2, by transformers.

usage: python minilm.py MODEL OUT
MODEL is a directory with config.json, tokenizer.json and model.safetensors.
Writes minilm.safetensors and minilm.json.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.numpy import save_file
from transformers import BertModel, PreTrainedTokenizerFast

SENTENCES = [
    "A dog barks twice while rain falls on a roof",
    "Rain",
    "A man speaks, then an engine starts; birds chirp in the distance.",
    "",
    "Çà et là, une église sonne: naïve café (3 o'clock)!",
    "THE CROWD CHEERS AND SOMEONE BLOWS A WHISTLE",
    "水 drips onto metal 🐕 next to a zzyzx-like humming machine",
    " ".join(["a bell rings in the tower and pigeons fly away"] * 20),
]


def main(model, out):
    model, out = Path(model), Path(out)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(model / "tokenizer.json"), pad_token="[PAD]")
    bert = BertModel.from_pretrained(model, attn_implementation="eager").eval()
    batch = tokenizer(SENTENCES, padding=True, truncation=True, max_length=128, return_tensors="pt")
    mask = batch["attention_mask"]
    with torch.no_grad():
        states = bert(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state
    weights = mask.unsqueeze(-1).float()
    pooled = (states * weights).sum(1) / weights.sum(1)
    embeddings = torch.nn.functional.normalize(pooled, dim=1)
    save_file({"embeddings": embeddings.numpy(), "lengths": mask.sum(1).numpy()}, out / "minilm.safetensors")
    (out / "minilm.json").write_text(json.dumps(SENTENCES, ensure_ascii=False, indent=1) + "\n")
    print("python", sys.version.split()[0], "torch", torch.__version__, "transformers", transformers.__version__)
    print("lengths", mask.sum(1).tolist())


if __name__ == "__main__":
    main(*sys.argv[1:3])
