"""Tiny BERT and RoBERTa models with random weights, and what they say.

usage: python transformer.py OUT
Writes bert.safetensors and roberta.safetensors: the state dictionary under
"model.", and "ids", "mask", "states".
"""

import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

SIZES = dict(
    vocab_size=40, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20,
    max_position_embeddings=16, type_vocab_size=2, hidden_act="gelu",
)


def golden(model, pad, out):
    model = model.eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ids = torch.randint(3, 40, (3, 9))
    mask = torch.ones(3, 9, dtype=torch.bool)
    for row, length in enumerate([9, 5, 1]):
        mask[row, length:] = False
        ids[row, length:] = pad
    with torch.no_grad():
        states = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    tensors = {f"model.{k}": v.clone() for k, v in model.state_dict().items()}
    save_file(tensors | {"ids": ids, "mask": mask, "states": states}, out)


def main(out):
    torch.manual_seed(7)
    bert = BertConfig(**SIZES, pad_token_id=0, attn_implementation="eager")
    golden(BertModel(bert, add_pooling_layer=False), 0, Path(out) / "bert.safetensors")
    roberta = RobertaConfig(**SIZES, pad_token_id=1, attn_implementation="eager")
    golden(RobertaModel(roberta, add_pooling_layer=False), 1, Path(out) / "roberta.safetensors")
    print("python", sys.version.split()[0], "torch", torch.__version__, "transformers", transformers.__version__)


if __name__ == "__main__":
    main(sys.argv[1])
