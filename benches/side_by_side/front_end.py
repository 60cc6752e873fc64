"""Clips per second of ClapFeatureExtractor and of our CLAP front end, one after the other.

Usage, from the root of the repository, with transformers, torch and numpy installed:
    python benches/side_by_side/front_end.py [rounds]
Every round times the extractor in one process, then in as many as there are cores, then runs
`cargo bench --bench log_mel`. The best of all rounds counts on both sides, since whatever else a
machine does can only slow a program down. Exit status 1 when a ratio falls short of its goal.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # One thread in a process; the processes share the cores.

import json
import multiprocessing.pool
import pathlib
import subprocess
import sys
import time

import numpy as np
import transformers
from transformers import ClapFeatureExtractor

CLIPS = 8
CORES = len(os.sched_getaffinity(0))
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
GOALS = {"one thread": 5.0, "all cores": 10.0}

extractor = ClapFeatureExtractor(
    frequency_min=50, frequency_max=14000, truncation="rand_trunc", padding="repeatpad"
)
sound = (np.random.default_rng(0).uniform(-0.25, 0.25, 480_000)).astype(np.float32)


def extract(_: int) -> float:
    """Best seconds of a few calls, in this process alone."""
    best = float("inf")
    for _ in range(CLIPS):
        begin = time.perf_counter()
        extractor(sound, sampling_rate=48_000, return_tensors="np")
        best = min(best, time.perf_counter() - begin)
    return best


def extract_together(pool: multiprocessing.pool.Pool) -> float:
    """Seconds a clip with all cores at work."""
    begin = time.perf_counter()
    pool.map(extract, range(CORES), chunksize=1)
    return (time.perf_counter() - begin) / (CLIPS * CORES)


def ours(name: str, clips: int) -> float:
    """Best seconds a clip of criterion's samples."""
    sample = json.loads((TARGET / "criterion" / "log_mel" / name / "new" / "sample.json").read_text())
    return min(t / n for t, n in zip(sample["times"], sample["iters"])) / 1e9 / clips


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    reference = dict.fromkeys(GOALS, float("inf"))
    found = dict.fromkeys(GOALS, float("inf"))
    with multiprocessing.Pool(CORES) as pool:
        pool.map(extract, range(CORES), chunksize=1)
        for _ in range(rounds):
            reference["one thread"] = min(reference["one thread"], extract(0))
            reference["all cores"] = min(reference["all cores"], extract_together(pool))
            subprocess.run(
                ["cargo", "bench", "--quiet", "-p", "benches", "--bench", "log_mel", "--",
                 "--warm-up-time", "1", "--measurement-time", "4"],
                check=True, stdout=subprocess.DEVNULL,
            )
            found["one thread"] = min(found["one thread"], ours("one_thread", 1))
            found["all cores"] = min(found["all cores"], ours("all_threads", 16))
    print(f"transformers {transformers.__version__}, numpy {np.__version__}, {CORES} cores, "
          f"best of {rounds} rounds, 10 s at 48 kHz, ms a clip")
    short = False
    for name, goal in GOALS.items():
        ratio = reference[name] / found[name]
        short |= ratio < goal
        print(f"{name}: extractor {1e3 * reference[name]:.2f}, ours {1e3 * found[name]:.2f}, "
              f"ratio {ratio:.1f} (goal {goal:.0f})")
    sys.exit(short)


if __name__ == "__main__":
    main()
