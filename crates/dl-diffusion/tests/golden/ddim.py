"""Golden DDIM runs by diffusers in f64: a fixed linear model, stored noise, start in
the middle of the chain. Usage: ddim.py OUTPUT.json"""
import json
import sys

import diffusers
import torch
from diffusers import DDIMScheduler

torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(11)
rows, dim = 3, 5
normal = lambda *shape: torch.randn(*shape, generator=generator)
start = normal(rows, dim)
weight = normal(dim, dim) / dim**0.5


def model(x, t):
    return x @ weight + t / 1000


kind = {"x0": "sample", "eps": "epsilon", "v": "v_prediction"}
cases = []
# (whole chain, level to start at, steps left): `trailing` spacing of 1000 / whole.
for whole, level, steps in [(5, 599, 3), (50, 199, 10), (20, 999, 20)]:
    for prediction in ["x0", "eps", "v"]:
        for eta in [0.0, 0.7]:
            scheduler = DDIMScheduler(
                1000, 1e-4, 0.02, "scaled_linear", clip_sample=False,
                prediction_type=kind[prediction], timestep_spacing="trailing",
            )
            # diffusers computes its table in f32; give it the exact one.
            betas = torch.linspace(1e-4**0.5, 0.02**0.5, 1000) ** 2
            scheduler.alphas_cumprod = torch.cumprod(1 - betas, 0)
            scheduler.final_alpha_cumprod = torch.tensor(1.0)
            scheduler.set_timesteps(whole)
            timesteps = [int(t) for t in scheduler.timesteps if int(t) <= level]
            assert len(timesteps) == steps and timesteps[0] == level
            noise = normal(steps, rows, dim)
            x = scheduler.add_noise(start, noise[0], torch.tensor([level]))
            for index, t in enumerate(timesteps):
                # The last step has no variance; its noise is not used.
                fresh = noise[min(index + 1, steps - 1)]
                x = scheduler.step(
                    model(x, t), t, x, eta=eta, variance_noise=fresh if eta > 0 else None
                ).prev_sample
            cases.append({
                "prediction": prediction, "eta": eta, "level": level, "steps": steps,
                "timesteps": timesteps, "noise": noise.flatten().tolist(),
                "output": x.flatten().tolist(),
            })
golden = {
    "rows": rows, "dim": dim, "start": start.flatten().tolist(),
    "weight": weight.flatten().tolist(), "cases": cases,
}
json.dump(golden, open(sys.argv[1], "w"))
print("torch", torch.__version__, "diffusers", diffusers.__version__)
