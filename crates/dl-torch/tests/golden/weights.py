"""The same small tensors in every weight format that is read.

usage: python weights.py OUT
Writes weights.safetensors, weights_zip.pth (a tuple around the dictionary),
weights_nested.pth (under "state_dict", beside an optimiser's), weights_legacy.pth
(the form before torch 1.6), weights.gguf, and weights.json: for each name the
shape and the values, by row.
"""

import json
import sys
from collections import OrderedDict
from pathlib import Path

import gguf
import numpy as np
import safetensors.torch
import torch


def main(out):
    out = Path(out)
    generator = torch.Generator().manual_seed(3)
    base = torch.randn(4, 6, generator=generator)
    state = OrderedDict(
        plain=base.clone(),
        half=base[0].half(),
        brain=base[1].bfloat16(),
        double=base[2].double(),
        count=torch.tensor(5),
        transposed=base.t(),
        part=base[1:3, 2:5],
        parameter=torch.nn.Parameter(base[3].clone()),
        flags=torch.tensor([True, False]),
    )
    values = {k: {"shape": list(v.shape), "values": v.double().flatten().tolist()} for k, v in state.items()}
    torch.save((state, {"some": (1, 2)}), out / "weights_zip.pth")
    optimizer = {"state": {0: {"exp_avg": base}}, "param_groups": [{"lr": 0.1}]}
    nested = {"epoch": 2**40, "state_dict": dict(state), "optimizer": optimizer}
    torch.save(nested, out / "weights_nested.pth")
    torch.save(state, out / "weights_legacy.pth", _use_new_zipfile_serialization=False)
    contiguous = {k: v.detach().clone().contiguous() for k, v in state.items()}
    safetensors.torch.save_file(contiguous, out / "weights.safetensors")

    matrix = torch.randn(2, 64, generator=generator).numpy()
    writer = gguf.GGUFWriter(out / "weights.gguf", "llama")
    writer.add_block_count(30)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_token_list(["<s>", "dog"])
    writer.add_tensor("norm", base.numpy())
    for name, kind in [("q8", gguf.GGMLQuantizationType.Q8_0), ("q4", gguf.GGMLQuantizationType.Q4_1)]:
        packed = gguf.quants.quantize(matrix, kind)
        writer.add_tensor(name, packed, raw_dtype=kind)
        back = gguf.quants.dequantize(packed, kind)
        values[name] = {"shape": list(back.shape), "values": back.astype(np.float64).flatten().tolist()}
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (out / "weights.json").write_text(json.dumps(values) + "\n")
    print("python", sys.version.split()[0], "torch", torch.__version__, "numpy", np.__version__,
          "safetensors", safetensors.__version__)


if __name__ == "__main__":
    main(sys.argv[1])
