"""The toy CLAP of clap.py in the layouts that transformers and training code give it.

Usage: python clap_layouts.py        writes clap_current/ and clap_bin/ beside itself

clap_current/: ClapModel and ClapProcessor as `save_pretrained` of transformers 5 writes
them, weights in several safetensors files with an index. clap_bin/: the same weights as
`torch.save` writes them, in several .bin files with an index as transformers 4 wrote it,
half of the names behind `module.` and `_orig_mod.`. Both must embed as clap_unfused/ does.
"""

import json
import pathlib
import shutil

import torch
import transformers
from safetensors.torch import load_file
from transformers import ClapFeatureExtractor, ClapModel, ClapProcessor, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
TOY = HERE / "clap_unfused"


def main() -> None:
    model = ClapModel.from_pretrained(TOY, dtype=torch.float16)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(TOY / "tokenizer.json"))
    processor = ClapProcessor(ClapFeatureExtractor.from_pretrained(TOY), tokenizer)
    current = HERE / "clap_current"
    shutil.rmtree(current, ignore_errors=True)
    processor.save_pretrained(current)
    model.save_pretrained(current, max_shard_size="150KB")
    shutil.copy(TOY / "tokenizer.json", current)

    old = HERE / "clap_bin"
    shutil.rmtree(old, ignore_errors=True)
    old.mkdir()
    for name in ("config.json", "preprocessor_config.json", "tokenizer.json"):
        shutil.copy(TOY / name, old)
    weights = load_file(TOY / "model.safetensors")
    names = sorted(weights)
    files = [names[: len(names) // 2], names[len(names) // 2 :]]
    index = {"metadata": {"total_size": sum(t.nbytes for t in weights.values())}, "weight_map": {}}
    for number, part in enumerate(files):
        file = f"pytorch_model-{number + 1:05}-of-{len(files):05}.bin"
        wrap = lambda name: f"module._orig_mod.{name}" if number else name
        torch.save({wrap(name): weights[name] for name in part}, old / file)
        index["weight_map"] |= {wrap(name): file for name in part}
    (old / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=1) + "\n")
    print("torch", torch.__version__, "transformers", transformers.__version__)


main()
