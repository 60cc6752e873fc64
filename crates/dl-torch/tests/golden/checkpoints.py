"""The tensors of weights.json as training code of many kinds saves them.

usage: python checkpoints.py OUT
Writes OUT/checkpoint_*.pth; in each the dictionary that holds `plain` is the model:
rng          tensors beside `state_dict` (state of random numbers, best loss), integers
             of 2^63 and more (a seed, NumPy's PCG64), protocol 2
protocol1, protocol3, protocol4, protocol5, legacy4, legacy1   other pickle protocols,
             in the zip form and in that before torch 1.6
unnamed      under a name of the user's own, beside a single tensor
shared       views of one storage, with a stride of zero among them
subclass     a tensor of a class of the user's own
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch


class Own(torch.Tensor):
    pass


def main(out):
    out = Path(out)
    values = json.loads((Path(__file__).parent / "weights.json").read_text())
    tensor = lambda name: torch.tensor(values[name]["values"]).reshape(values[name]["shape"])
    state = {name: tensor(name) for name in ("plain", "transposed", "part")}
    state["transposed"] = state["plain"].t()
    state["part"] = state["plain"][1:3, 2:5]
    state["count"] = torch.tensor(5)

    save = lambda name, value, **how: torch.save(value, out / f"checkpoint_{name}.pth", **how)
    rng = {
        "rng_state": torch.get_rng_state()[:64].clone(),
        "best_loss": torch.tensor(0.25),
        "seed": 2**63,
        "numpy": np.random.PCG64(1).state,
        "negative": -(2**63) - 1,
        "state_dict": state,
        "optimizer": {"state": {0: {"exp_avg": state["plain"].clone()}}},
    }
    save("rng", rng)
    for protocol in (1, 3, 4, 5):
        save(f"protocol{protocol}", rng, pickle_protocol=protocol)
    for protocol in (1, 4):
        save(f"legacy{protocol}", rng, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
    save("unnamed", {"step": torch.tensor(7), "weights_of_mine": state})
    flat = torch.cat([state["plain"].flatten(), torch.zeros(8)])
    save("shared", {
        "plain": flat[:24].view(4, 6), "transposed": flat[:24].view(4, 6).t(),
        "part": flat[:24].view(4, 6)[1:3, 2:5], "count": state["count"],
        "still": flat[24:25].expand(3),
    })
    own = dict(state, plain=state["plain"].as_subclass(Own))
    save("subclass", {"state_dict": own})
    print("python", sys.version.split()[0], "torch", torch.__version__, "numpy", np.__version__)


if __name__ == "__main__":
    main(sys.argv[1])
