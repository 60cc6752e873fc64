"""Clips per second of transformers' ClapModel and of our audio tower, in turn.

Usage, from the root of the repository, with transformers and torch 2.11.0 installed:
    python benches/side_by_side/clap_tower.py [rounds]
Every round times the reference (published size, random weights, batch 8, two threads), then runs
`cargo bench --bench clap`. The best of all rounds counts on both sides, since whatever else a
machine does can only slow a program down. Exit status 1 when the ratio falls short of its goal.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import torch
import transformers
from transformers import ClapConfig, ClapModel

BATCH, THREADS, GOAL = 8, 2, 1.2
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))


def peak_megabytes() -> float:
    """Most memory this process has held."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


def reference(model: ClapModel, log_mels: torch.Tensor) -> float:
    """Best seconds a clip."""
    best = float("inf")
    with torch.inference_mode():
        for _ in range(6):
            begin = time.perf_counter()
            model.get_audio_features(input_features=log_mels)
            best = min(best, time.perf_counter() - begin)
    return best / BATCH


def ours() -> float:
    """Best seconds a clip of criterion's samples. The work is libtorch's: the dev profile, which
    is optimised here, is as fast and has been built already."""
    command = ["cargo", "bench", "--quiet", "--profile", "dev", "-p", "benches", "--bench", "clap"]
    environment = os.environ | {"OMP_NUM_THREADS": str(THREADS)}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    path = TARGET / "criterion" / "clap" / "audio_tower_8" / "new" / "sample.json"
    sample = json.loads(path.read_text())
    return min(t / n for t, n in zip(sample["times"], sample["iters"])) / 1e9 / BATCH


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    model = ClapModel(ClapConfig()).eval()
    log_mels = torch.randn(BATCH, 1, 1001, 64)
    theirs, mine = float("inf"), float("inf")
    for _ in range(rounds):
        theirs = min(theirs, reference(model, log_mels))
        mine = min(mine, ours())
    ratio = theirs / mine
    print(f"transformers {transformers.__version__}, torch {torch.__version__}: "
          f"reference {theirs * 1e3:.1f} ms a clip, ours {mine * 1e3:.1f}, ratio {ratio:.2f} "
          f"(goal {GOAL}); peak memory of the reference's process {peak_megabytes():.0f} MB")
    sys.exit(0 if ratio >= GOAL else 1)


main()
