"""One row of T1 by dl-eval and by NumPy with SciPy: the figures and the seconds of both.

Usage, from the root of the repository, with numpy and scipy installed:
    cargo build --release -p dl-eval --example gap_row
    python benches/side_by_side/gap.py [rounds] [dimensions ...]
975 clips with five captions each, drawn from a seed, in 512 and 1,024 dimensions. A row is all
columns once and the two distances on 1,000 resamples; the reference makes three resamples and
the rest is reckoned from them, with scipy.linalg.sqrtm, as the formula is written, and with
eigenvalues. The best of all rounds counts, since whatever else a machine does can only slow
a program down; the worst is printed beside it. Processor seconds are the sum over all cores, of
the reference for one resample and of everything else once. Exit status 1 when a figure differs.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from scipy import linalg

PROGRAM = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "release/examples/gap_row"
CLIPS, CAPTIONS, RESAMPLES = 975, 5, 1000
RIDGE, FOLDS, NEIGHBOURS = 1e-2, 5, 10
TOLERANCE = 1e-9


def embeddings(dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that share a latent, with an offset each and variances that fall with the axis."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(CLIPS, dim))
    audio = latent + rng.normal(size=(CLIPS, dim))
    text = np.repeat(latent, CAPTIONS, 0) + rng.normal(size=(CLIPS * CAPTIONS, dim))
    falling = 1 / np.sqrt(1 + np.arange(dim))
    audio, text = audio * falling, text * falling
    audio[:, 0] += 2
    text[:, 1] += 2
    return audio.astype(np.float32), text.astype(np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    """Rounded to single precision, in which dl-eval keeps them."""
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32).astype(np.float64)


def frechet(a: np.ndarray, b: np.ndarray, root: str) -> float:
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    if root == "sqrtm":
        trace = np.trace(linalg.sqrtm(cov_a @ cov_b)).real
    else:
        trace = np.sqrt(np.maximum(linalg.eigvals(cov_a @ cov_b).real, 0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b) - 2 * trace)


def separability(a: np.ndarray, b: np.ndarray) -> float:
    clips, right = np.arange(len(a)), 0
    for fold in range(FOLDS):
        kept, held = clips[clips % FOLDS != fold], clips[clips % FOLDS == fold]
        x = np.concatenate([a[kept], b[kept]])
        y = np.repeat([1.0, 0.0], len(kept))
        mean, deviation = x.mean(0), x.std(0)
        x = (x - mean) / deviation
        w = np.zeros(x.shape[1])
        for _ in range(20):
            p = 1 / (1 + np.exp(-(x @ w)))
            gradient = x.T @ (p - y) / len(y) + RIDGE * w
            hessian = (x.T * (p * (1 - p) / len(y))) @ x + RIDGE * np.eye(len(w))
            step = linalg.solve(hessian, gradient, assume_a="pos")
            w -= step
            if step @ step < 1e-16:
                break
        right += ((a[held] - mean) / deviation @ w > 0).sum()
        right += ((b[held] - mean) / deviation @ w <= 0).sum()
    return float(right / (2 * len(a)))


def recall_at_ten(similarity: np.ndarray, right: np.ndarray) -> float:
    best = np.where(right, similarity, -np.inf).max(1, keepdims=True)
    return float(((~right & (similarity >= best)).sum(1) < 10).mean())


def mixing(a: np.ndarray, b: np.ndarray) -> float:
    points, n = np.concatenate([a, b]), len(a)
    similarity = points @ points.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argpartition(-similarity, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    foreign = (nearest < n) != (np.arange(2 * n) < n)[:, None]
    return float(foreign.mean() / (n / (2 * n - 1)))


def participation(rows: np.ndarray) -> float:
    covariance = np.cov(rows.T)
    return float(np.trace(covariance) ** 2 / (covariance**2).sum())


def reference(audio: np.ndarray, text: np.ndarray, root: str) -> tuple[dict, float, float]:
    """All columns once, the seconds, and the processor seconds."""
    begin, begin_of_process = time.perf_counter(), time.process_time()
    a, text = unit(audio.astype(np.float64)), unit(text.astype(np.float64))
    b, n = text[::CAPTIONS], len(audio)
    similarity = a @ text.T
    owners = np.repeat(np.arange(n), CAPTIONS)
    right = owners[None, :] == np.arange(n)[:, None]
    paired = similarity[owners, np.arange(len(text))].mean()
    within = [(1 - ((s := r.sum(0)) @ s - (r * r).sum()) / (n * (n - 1))) / 2 for r in (a, b)]
    distance = (1 - paired) / 2
    figures = {
        "paired_cosine": float(paired),
        "a2t_r10": recall_at_ten(similarity, right),
        "t2a_r10": recall_at_ten(similarity.T, right.T),
        "centroid_distance": float(np.linalg.norm(a.mean(0) - b.mean(0))),
        "frechet": frechet(a, b, root),
        "separability": separability(a, b),
        "knn_mixing": mixing(a, b),
        "relative_gap": float(distance / (distance + np.mean(within))),
        "effective_dim_audio": participation(a),
        "effective_dim_text": participation(b),
    }
    return figures, time.perf_counter() - begin, time.process_time() - begin_of_process


def ours(files: list[str], dim: int, resamples: int) -> tuple[dict, float, float]:
    """The figures with their seconds, the largest memory in megabytes, processor seconds."""
    command = [PROGRAM, *files, str(dim), str(resamples)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit("gap_row failed")
    return json.loads(printed), usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def span(values: list[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f}"


def compare(dim: int, rounds: int, folder: pathlib.Path) -> bool:
    audio, text = embeddings(dim)
    files = [str(folder / "audio.f32"), str(folder / "text.f32")]
    audio.tofile(files[0])
    text.tofile(files[1])
    own, memory, of_row, of_rest, once, once_of_process = [], [], [], [], [], []
    resamples = {"sqrtm": [], "eigvals": []}
    for _ in range(rounds):
        printed, megabytes, processor = ours(files, dim, RESAMPLES)
        own.append(printed["seconds"])
        memory.append(megabytes)
        of_row.append(processor)
        of_rest.append(ours(files, dim, 0)[2])
        figures, seconds, processor = reference(audio, text, "eigvals")
        once.append(seconds)
        once_of_process.append(processor)
        a, b = unit(audio.astype(np.float64)), unit(text[::CAPTIONS].astype(np.float64))
        for root, times in resamples.items():
            for number, clips in enumerate(printed["resampled_clips"]):
                begin, begin_of_process = time.perf_counter(), time.process_time()
                value = frechet(a[clips], b[clips], root)
                ended = time.perf_counter() - begin, time.process_time() - begin_of_process
                times.append(ended)
                figures.setdefault("resampled_frechet", [0.0] * 3)[number] = value
    same = True
    print(f"D = {dim}: figure, dl-eval, NumPy and SciPy")
    for name, value in figures.items():
        difference = np.max(np.abs(np.array(printed[name]) - value))
        mark = "" if difference <= TOLERANCE * max(1.0, np.max(value)) else " DIFFERS"
        same &= not mark
        print(f"  {name}: {printed[name]} {value}{mark}")
    for name in own[0]:
        print(f"  dl-eval {name}: {span([entry[name] for entry in own])} s")
    print(f"  dl-eval, all of these: {span(of_row)} processor s, without resamples {span(of_rest)}")
    print(f"  dl-eval memory: {max(memory):.0f} MB")
    print(f"  NumPy evaluate: {span(once)} s, {span(once_of_process)} processor s")
    best = min(entry["row"] for entry in own)
    for root, times in resamples.items():
        seconds, processor = zip(*times)
        row = min(once) + RESAMPLES * min(seconds)
        print(f"  a resample with {root}: {span(seconds)} s, {span(processor)} processor s; a row")
        print(f"    of {RESAMPLES}: {row:.0f} s, {row / best:.0f} times")
    return same


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    dims = [int(dim) for dim in sys.argv[2:]] or [512, 1024]
    with tempfile.TemporaryDirectory() as folder:
        same = [compare(dim, rounds, pathlib.Path(folder)) for dim in dims]
    sys.exit(0 if all(same) else 1)


if __name__ == "__main__":
    main()
