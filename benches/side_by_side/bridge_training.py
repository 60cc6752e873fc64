"""Seconds a training step of Diffusion-Link at AudioCaps' size in PyTorch and in our program, in turn.

Usage, from the root of the repository, with torch 2.11.0 installed:
    python benches/side_by_side/bridge_training.py [rounds]
50,000 pairs, D = 512, 9.7 million parameters, batch 256, so 512 rows through the network a step (text
and audio), L1, gradient norm clipped, AdamW, f32, two threads; drawing noise is part of a step on both
sides. Ours is the difference of two fits in `cargo bench --bench bridge_training`, which has the same
in bfloat16, too. The best of all rounds counts on both sides. Exit status 1 when ours is slower in f32.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import torch
from samplers import DIM, THREADS, TIMESTEPS, Network
from torch import nn

BATCH, PAIRS, FEW, MORE = 256, 50_000, 2, 10
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))


def reference() -> float:
    """Best mean seconds a step over ten steps."""
    torch.manual_seed(0)
    audio, text = (nn.functional.normalize(torch.randn(PAIRS, DIM), dim=1) for _ in range(2))
    network, factor = Network(), DIM**0.5
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    betas = torch.linspace(1e-4**0.5, 0.02**0.5, TIMESTEPS, dtype=torch.float64) ** 2
    alpha_bars = torch.cumprod(1 - betas, 0).float()
    order = torch.randperm(PAIRS)

    def step(place: int) -> None:
        rows = order[place * BATCH : (place + 1) * BATCH]
        jittered = nn.functional.normalize(audio[rows] + 0.05 * torch.randn(BATCH, DIM), dim=1)
        target = text[rows] * factor
        x0 = torch.cat([target, jittered * factor])
        timesteps = torch.randint(0, TIMESTEPS, (2 * BATCH,))
        alpha_bar = alpha_bars[timesteps][:, None]
        x_t = x0 * alpha_bar.sqrt() + torch.randn_like(x0) * (1 - alpha_bar).sqrt()
        difference = (network(x_t, timesteps) - torch.cat([target, target])).abs()
        loss = difference[:BATCH].mean() + difference[BATCH:].mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()

    step(0)
    best = float("inf")
    for turn in range(3):
        begin = time.perf_counter()
        for place in range(10):
            step(1 + 10 * turn + place)
        best = min(best, (time.perf_counter() - begin) / 10)
    return best


def ours() -> tuple[float, float]:
    """Seconds a step from the best samples of both fits, in f32 and in bfloat16."""
    command = ["cargo", "bench", "--quiet", "--profile", "dev", "-p", "benches", "--bench"]
    environment = os.environ | {"OMP_NUM_THREADS": str(THREADS)}
    subprocess.run([*command, "bridge_training"], check=True, env=environment, stdout=subprocess.DEVNULL)

    def best(name: str) -> float:
        path = TARGET / "criterion" / "bridge_training" / name / "new" / "sample.json"
        sample = json.loads(path.read_text())
        return min(t / n for t, n in zip(sample["times"], sample["iters"])) / 1e9

    def step(prefix: str) -> float:
        return (best(f"{prefix}steps_{MORE}") - best(f"{prefix}steps_{FEW}")) / (MORE - FEW)

    return step(""), step("bf16_")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    torch.set_num_threads(THREADS)
    theirs, mine, rounded = float("inf"), float("inf"), float("inf")
    for _ in range(rounds):
        theirs = min(theirs, reference())
        mine, rounded = map(min, (mine, rounded), ours())
    epoch = PAIRS // BATCH
    print(f"torch {torch.__version__}, {THREADS} threads: a step {theirs * 1e3:.0f} ms there, {mine * 1e3:.0f} ms "
          f"here, ratio {theirs / mine:.2f}; an epoch of {epoch} steps {mine * epoch:.0f} s here; "
          f"in bfloat16 a step {rounded * 1e3:.0f} ms here")
    sys.exit(0 if mine <= theirs else 1)


if __name__ == "__main__":
    main()
