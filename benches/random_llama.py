"""Writes a model directory of the Llama architecture as published ones look, with random weights in
bf16: config.json, three safetensors shards with their index, and a SentencePiece tokenizer. At the
full width of LLaMA-2-7B it proves that a configuration for such a model loads, tunes and captions.

Usage, from the root of the repository, with torch and safetensors installed:
    python benches/random_llama.py DIRECTORY [--layers 32] [--narrow 1]
--narrow 16 makes it a sixteenth as wide. The tokenizer is the toy one of dl-llm's tests (420 tokens,
of the 32,000 that the table has): rows of the output layer beyond it are zero, so that what the model
says can be spelled.
"""

import argparse
import json
import pathlib
import shutil
import time

import torch
from safetensors.torch import save_file

PIECES = pathlib.Path("crates/dl-llm/tests/golden/sentencepiece_bpe/tokenizer.model")
WORDS, VOCABULARY, SHARDS = 420, 32_000, 3


def shapes(layers: int, hidden: int, inner: int) -> dict[str, list[int]]:
    found = {"model.embed_tokens.weight": [VOCABULARY, hidden]}
    for layer in range(layers):
        block = f"model.layers.{layer}"
        for name in "qkvo":
            found[f"{block}.self_attn.{name}_proj.weight"] = [hidden, hidden]
        found[f"{block}.mlp.gate_proj.weight"] = [inner, hidden]
        found[f"{block}.mlp.up_proj.weight"] = [inner, hidden]
        found[f"{block}.mlp.down_proj.weight"] = [hidden, inner]
        found[f"{block}.input_layernorm.weight"] = [hidden]
        found[f"{block}.post_attention_layernorm.weight"] = [hidden]
    return found | {"model.norm.weight": [hidden], "lm_head.weight": [VOCABULARY, hidden]}


def made(name: str, shape: list[int], device: str) -> torch.Tensor:
    if name.endswith("norm.weight"):
        return torch.ones(shape, dtype=torch.bfloat16)
    tensor = torch.randn(shape, dtype=torch.bfloat16, device=device) * 0.02
    if name == "lm_head.weight":
        tensor[WORDS:] = 0
    return tensor.cpu()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--narrow", type=int, default=1)
    given = parser.parse_args()
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    hidden, inner, heads = 4096 // given.narrow, 11_008 // given.narrow, 32 // given.narrow
    given.directory.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": hidden,
        "intermediate_size": inner, "num_hidden_layers": given.layers, "num_attention_heads": heads,
        "num_key_value_heads": heads, "hidden_act": "silu", "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0, "tie_word_embeddings": False, "attention_bias": False, "bos_token_id": 1,
        "eos_token_id": 2, "torch_dtype": "bfloat16"}
    (given.directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    shutil.copy(PIECES, given.directory / "tokenizer.model")
    begin, listed = time.perf_counter(), shapes(given.layers, hidden, inner)
    names, weight_map, size = list(listed), {}, 0
    for shard in range(SHARDS):
        part = names[shard * len(names) // SHARDS:(shard + 1) * len(names) // SHARDS]
        file = f"model-{shard + 1:05}-of-{SHARDS:05}.safetensors"
        tensors = {name: made(name, listed[name], device) for name in part}
        save_file(tensors, given.directory / file, metadata={"format": "pt"})
        size += sum(tensor.nbytes for tensor in tensors.values())
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (given.directory / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    print(f"{size / 1e9:.2f} GB in {SHARDS} shards written in {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    main()
