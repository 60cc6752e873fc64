"""Golden alpha_bars: diffusers' formulas evaluated in f64, and its own f32 values
as a check of the formulas. Usage: schedules.py OUTPUT.json"""
import json
import sys

import diffusers
import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.schedulers.scheduling_ddim import betas_for_alpha_bar

T = 1000
linear = np.linspace(1e-4, 0.02, T, dtype=np.float64)
scaled = np.linspace(1e-4**0.5, 0.02**0.5, T, dtype=np.float64) ** 2
bar = lambda share: np.cos((share + 0.008) / 1.008 * np.pi / 2) ** 2
steps = np.arange(T)
cosine = np.minimum(1 - bar((steps + 1) / T) / bar(steps / T), 0.999)
sigmoid = 1e-4 + (0.02 - 1e-4) / (1 + np.exp(-np.linspace(-6, 6, T)))
kept = [0, 1, 10, 50, 100, 200, 300, 400, 500, 600, 800, 999]

library = {
    "linear": DDIMScheduler(T, 1e-4, 0.02, "linear").betas,
    "scaled_linear": DDIMScheduler(T, 1e-4, 0.02, "scaled_linear").betas,
    "sigmoid": DDPMScheduler(T, 1e-4, 0.02, "sigmoid").betas,
    "cosine": betas_for_alpha_bar(T, max_beta=0.999),
}
golden = {"timesteps": T, "kept": kept}
for name, betas in [("linear", linear), ("scaled_linear", scaled), ("cosine", cosine), ("sigmoid", sigmoid)]:
    difference = np.abs(betas - library[name].numpy()).max()
    assert difference < 1e-7, (name, difference)
    alpha_bars = np.cumprod(1 - betas)
    golden[name] = [float(alpha_bars[t]) for t in kept]
json.dump(golden, open(sys.argv[1], "w"), indent=1)
print("numpy", np.__version__, "torch", torch.__version__, "diffusers", diffusers.__version__)
