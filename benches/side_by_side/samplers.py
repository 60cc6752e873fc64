"""Embeddings per second of diffusers' schedulers and of our samplers, in turn, on the same network.

Usage, from the root of the repository, with diffusers and torch 2.11.0 installed:
    python benches/side_by_side/samplers.py [rounds]
Every round times the reference (the residual MLP at D = 512, 9.7 million parameters, random
weights, f32, two threads) and runs `cargo bench --bench samplers`. The best of all rounds counts on
both sides. Printed beside both: how often a batch of one goes through the weights' floor, that is
the time it takes this machine to read them once (a sum over as many bytes as the weights have,
after the caches were filled with something else).
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import diffusers
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from torch import nn

DIM, BLOCKS, THREADS, TIMESTEPS = 512, 3, 2, 1000
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))


class Block(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.norm_in, self.norm_out = nn.LayerNorm(width), nn.LayerNorm(width)
        self.linear_in, self.linear_out = nn.Linear(width, width), nn.Linear(width, width)
        self.time = nn.Linear(DIM, width)

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        h = self.linear_in(nn.functional.silu(self.norm_in(x))) + self.time(time)
        return x + self.linear_out(nn.functional.silu(self.norm_out(h)))


class Network(nn.Module):
    """The network of dl-diffusion, see crates/dl-diffusion/src/network.rs."""

    def __init__(self, width: int = 2 * DIM):
        super().__init__()
        self.input, self.output = nn.Linear(DIM, width), nn.Linear(width, DIM)
        self.time = nn.Sequential(nn.Linear(2 * DIM, DIM), nn.SiLU(), nn.Linear(DIM, DIM))
        self.blocks = nn.ModuleList(Block(width) for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(width)
        steps = torch.arange(DIM, dtype=torch.float64) / DIM
        self.register_buffer("frequencies", 10_000.0 ** -steps)

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        angles = timesteps.double()[:, None] * self.frequencies
        embedding = torch.cat([angles.cos(), angles.sin()], 1).float()
        time = nn.functional.silu(self.time(embedding))
        h = self.input(x)
        for block in self.blocks:
            h = block(h, time)
        return self.output(nn.functional.silu(self.norm(h)))


def sample(network: Network, name: str, steps: int, start: torch.Tensor, timestep: int) -> torch.Tensor:
    """Noises to `timestep` and denoises with a scheduler of diffusers over timesteps of our spacing."""
    betas = (torch.linspace(1e-4**0.5, 0.02**0.5, TIMESTEPS) ** 2).numpy()
    options = {"trained_betas": betas, "prediction_type": "sample"}
    scheduler = {
        "one_step": lambda: DDIMScheduler(**options, clip_sample=False),
        "ddim": lambda: DDIMScheduler(**options, clip_sample=False),
        "ddpm": lambda: DDPMScheduler(**options, clip_sample=False),
        "dpm_solver_pp_2m": lambda: DPMSolverMultistepScheduler(**options),
    }[name]()
    scheduler.set_timesteps(TIMESTEPS)
    scheduler.set_timesteps(num_inference_steps=steps)
    timesteps = [(timestep + 1) * (step + 1) // steps - 1 for step in reversed(range(steps))]
    if name != "dpm_solver_pp_2m":
        scheduler.timesteps = torch.tensor(timesteps)
    x = scheduler.add_noise(start, torch.randn_like(start), torch.tensor([timestep]))
    for step in scheduler.timesteps[:steps]:
        x = scheduler.step(network(x, step[None]), step, x).prev_sample
    return x


def reference(network: Network, name: str, steps: int, batch: int) -> float:
    """Best seconds a call."""
    start = torch.randn(batch, DIM)
    best, spent, calls = float("inf"), 0.0, 0
    with torch.inference_mode():
        while calls < 3 or (spent < 2.0 and calls < 200):
            begin = time.perf_counter()
            sample(network, name, steps, start, 50 if name == "one_step" else 199)
            took = time.perf_counter() - begin
            best, spent, calls = min(best, took), spent + took, calls + 1
    return best


def floor(network: Network) -> float:
    """Best seconds to read as many bytes as the weights have from memory."""
    numbers = sum(parameter.numel() for parameter in network.parameters())
    weights, other = torch.ones(numbers), torch.ones(4 * numbers)
    best = float("inf")
    for _ in range(30):
        other.sum()
        begin = time.perf_counter()
        weights.sum()
        best = min(best, time.perf_counter() - begin)
    return best


def ours() -> dict[tuple[str, int], float]:
    """Best seconds a call of criterion's samples, by case and batch. The work is libtorch's: the
    dev profile, which is optimised here, is as fast and has been built already."""
    command = ["cargo", "bench", "--quiet", "--profile", "dev", "-p", "benches", "--bench", "samplers"]
    environment = os.environ | {"OMP_NUM_THREADS": str(THREADS)}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    found = {}
    for path in (TARGET / "criterion" / "samplers").glob("*/*/new/sample.json"):
        sample = json.loads(path.read_text())
        best = min(t / n for t, n in zip(sample["times"], sample["iters"])) / 1e9
        found[path.parts[-4], int(path.parts[-3])] = best
    return found


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    network = Network().eval()
    cases = [("one_step", 1, 1)] + [
        (name, steps, batch)
        for name in ("ddim", "ddpm", "dpm_solver_pp_2m")
        for steps in (5, 20, 50)
        for batch in (1,)
    ]
    cases += [("one_step", 1, 64), ("one_step", 1, 4096), ("ddim", 5, 64), ("ddim", 5, 4096)]
    theirs: dict[tuple[str, int], float] = {}
    mine: dict[tuple[str, int], float] = {}
    lowest = float("inf")
    for _ in range(rounds):
        lowest = min(lowest, floor(network))
        for name, steps, batch in cases:
            key = (name if steps == 1 else f"{name}_{steps}", batch)
            theirs[key] = min(theirs.get(key, float("inf")), reference(network, name, steps, batch))
        for key, seconds in ours().items():
            mine[key] = min(mine.get(key, float("inf")), seconds)
    print(f"diffusers {diffusers.__version__}, torch {torch.__version__}, {THREADS} threads; "
          f"weights read once in {lowest * 1e3:.2f} ms")
    print("| sampler | batch | diffusers ms | ours ms | ratio | ours, floors a step | ours/s |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    steps_of = {key: case[1] for case in cases
                for key in [(case[0] if case[1] == 1 else f"{case[0]}_{case[1]}", case[2])]}
    for (name, batch), seconds in sorted(theirs.items()):
        own = mine[name, batch]
        floors = f"{own / steps_of[name, batch] / lowest:.2f}" if batch == 1 else ""
        print(f"| {name} | {batch} | {seconds * 1e3:.2f} | {own * 1e3:.2f} | {seconds / own:.2f} | "
              f"{floors} | {batch / own:.0f} |")
    for (name, batch), own in sorted(mine.items()):
        if (name, batch) not in theirs:
            print(f"| {name} | {batch} |  | {own * 1e3:.2f} |  |  | {batch / own:.0f} |")


if __name__ == "__main__":
    main()
