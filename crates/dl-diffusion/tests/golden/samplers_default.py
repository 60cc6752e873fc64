"""Golden runs of the samplers on the default schedule of Diffusion-Link (cosine), in f64
NumPy, each written from its paper's own update: DDIM (Song et al. 2021, eq. 12 and 16), DDPM (Ho
et al. 2020, eq. 7, over the kept timesteps: Nichol and Dhariwal 2021, section 4), DPM-Solver++ 2M
(Lu et al. 2022, algorithm 2). Usage: samplers_default.py OUTPUT.json
The kept file was made with NumPy 2.4.6."""
import json
import math
import sys

import numpy as np

T = 1000
f = lambda t: math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2
betas = np.array([min(1 - f(t + 1) / f(t), 0.999) for t in range(T)])
alpha_bars = np.cumprod(1 - betas)

random = np.random.default_rng(7)
rows, dim = 2, 4
start = random.standard_normal((rows, dim))
weight = random.standard_normal((dim, dim)) / 2


def predicted(x, t, prediction):
    """x_0 and noise that a fixed linear network implies."""
    output = x @ weight + t / 1000
    a, s = math.sqrt(alpha_bars[t]), math.sqrt(1 - alpha_bars[t])
    if prediction == "x0":
        x0 = output
    elif prediction == "eps":
        x0 = (x - s * output) / a
    else:
        x0 = a * x - s * output
    return x0, (x - a * x0) / s


def ddim(x, kept, noise, prediction, eta):
    for k, t in enumerate(kept):
        x0, eps = predicted(x, t, prediction)
        if k + 1 == len(kept):
            return x0
        now, after = alpha_bars[t], alpha_bars[kept[k + 1]]
        sigma = eta * math.sqrt((1 - after) / (1 - now) * (1 - now / after))
        x = math.sqrt(after) * x0 + math.sqrt(1 - after - sigma**2) * eps + sigma * noise[k + 1]


def ddpm(x, kept, noise, prediction):
    for k, t in enumerate(kept):
        x0, _ = predicted(x, t, prediction)
        if k + 1 == len(kept):
            return x0
        now, after = alpha_bars[t], alpha_bars[kept[k + 1]]
        beta = 1 - now / after
        mean = (math.sqrt(after) * beta * x0 + math.sqrt(1 - beta) * (1 - after) * x) / (1 - now)
        x = mean + math.sqrt(beta * (1 - after) / (1 - now)) * noise[k + 1]


def dpm_solver_pp_2m(x, kept, noise, prediction):
    sigma = lambda t: math.sqrt(1 - alpha_bars[t])
    alpha = lambda t: math.sqrt(alpha_bars[t])
    lam = lambda t: math.log(alpha(t) / sigma(t))
    before = None
    for k, t in enumerate(kept):
        x0, _ = predicted(x, t, prediction)
        if k + 1 == len(kept):
            return x0
        s = kept[k + 1]
        h = lam(s) - lam(t)
        direction = x0
        if before is not None:
            old, h_old = before
            r = h_old / h
            direction = (1 + 1 / (2 * r)) * x0 - 1 / (2 * r) * old
        x = sigma(s) / sigma(t) * x - alpha(s) * (math.exp(-h) - 1) * direction
        before = x0, h


cases = []
# The candidates of the default configuration, and more steps.
for timestep, steps in [(50, 1), (100, 4), (200, 8), (999, 20)]:
    kept = [(timestep + 1) * k // steps - 1 for k in range(steps, 0, -1)]
    for prediction in ["x0", "eps", "v"]:
        for kind, eta, run in [
            ("ddim", 0.0, lambda *case: ddim(*case, 0.0)),
            ("ddim", 0.7, lambda *case: ddim(*case, 0.7)),
            ("ddpm", None, ddpm),
            ("dpm_solver_pp_2m", None, dpm_solver_pp_2m),
        ]:
            noise = random.standard_normal((steps, rows, dim))
            at = alpha_bars[timestep]
            x = math.sqrt(at) * start + math.sqrt(1 - at) * noise[0]
            sampler = {"kind": kind, "timestep": timestep, "steps": steps}
            if eta is not None:
                sampler["eta"] = eta
            cases.append({
                "prediction": prediction, "sampler": sampler, "steps": steps, "timesteps": kept,
                "noise": noise.ravel().tolist(),
                "output": run(x, kept, noise, prediction).ravel().tolist(),
            })
golden = {
    "rows": rows, "dim": dim, "start": start.ravel().tolist(), "weight": weight.ravel().tolist(),
    "cases": cases,
}
json.dump(golden, open(sys.argv[1], "w"))
print("numpy", np.__version__)
