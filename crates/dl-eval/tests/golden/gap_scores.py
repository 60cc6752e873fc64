"""Writes gap_scores.json: gap metrics and a paired test by numpy and scipy.

Two sets of paired unit vectors, one with more clips than dimensions and one with
fewer (covariances without full rank). Centroid distance; Fréchet distance with
scipy.linalg.sqrtm; the linear probe's decisions, its objective minimised by
scipy.optimize; and scipy.stats.permutation_test over all 2^10 sign flips.

Run: python gap_scores.py (numpy 2.4, scipy 1.17), in this folder.
"""

import json

import numpy as np
import scipy
from scipy import linalg, optimize, stats

RIDGE, FOLDS = 1e-2, 5


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def frechet(a, b):
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    root = linalg.sqrtm(cov_a @ cov_b)
    return float(
        np.sum((a.mean(0) - b.mean(0)) ** 2)
        + np.trace(cov_a + cov_b)
        - 2 * np.trace(root).real
    )


def probe_correct(a, b):
    """Per clip: the share of its two points on the right side of a probe fitted to others."""
    n = len(a)
    clips, out = np.arange(n), np.zeros(n)
    for fold in range(FOLDS):
        kept, held = clips[clips % FOLDS != fold], clips[clips % FOLDS == fold]
        x = np.concatenate([a[kept], b[kept]])
        y = np.concatenate([np.ones(len(kept)), np.zeros(len(kept))])
        mean, deviation = x.mean(0), x.std(0)
        x = (x - mean) / deviation

        def objective(w):
            s = x @ w
            value = np.mean(np.logaddexp(0, s) - y * s) + RIDGE / 2 * w @ w
            gradient = x.T @ (1 / (1 + np.exp(-s)) - y) / len(y) + RIDGE * w
            return value, gradient

        w = optimize.minimize(
            objective, np.zeros(a.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-9}
        ).x
        for clip in held:
            right_a = (a[clip] - mean) / deviation @ w > 0
            right_b = (b[clip] - mean) / deviation @ w <= 0
            out[clip] = (int(right_a) + int(right_b)) / 2
    return out.tolist()


def main():
    rng = np.random.default_rng(0)
    sets = []
    for n, dim in [(40, 6), (12, 16)]:
        latent = rng.normal(size=(n, dim))
        audio = unit(latent + 0.5 * rng.normal(size=(n, dim)) + 0.4 * rng.normal(size=dim))
        text = unit(latent + 0.5 * rng.normal(size=(n, dim)) + 0.4 * rng.normal(size=dim))
        audio, text = np.round(audio, 4), np.round(text, 4)
        a, b = unit(audio), unit(text)
        sets.append(
            {
                "audio": audio.tolist(),
                "text": text.tolist(),
                "centroid_distance": float(np.linalg.norm(a.mean(0) - b.mean(0))),
                "frechet": frechet(a, b),
                "probe_correct": probe_correct(a, b),
            }
        )
    a = np.round(rng.normal(size=10), 3)
    b = np.round(a + rng.normal(size=10) * 0.3 + 0.15, 3)
    test = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    out = {
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__},
        "sets": sets,
        "permutation": {"a": a.tolist(), "b": b.tolist(), "p": float(test.pvalue)},
    }
    with open("gap_scores.json", "w") as file:
        json.dump(out, file)


if __name__ == "__main__":
    main()
