"""Golden runs of diffusers' samplers in f64: a fixed linear model, stored noise, start in
the middle of the chain. Usage: samplers.py OUTPUT.json"""
import json
import sys

import diffusers
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(11)
rows, dim = 3, 5
normal = lambda *shape: torch.randn(*shape, generator=generator)
start = normal(rows, dim)
weight = normal(dim, dim) / dim**0.5
betas = torch.linspace(1e-4**0.5, 0.02**0.5, 1000) ** 2
alpha_bars = torch.cumprod(1 - betas, 0)
kind = {"x0": "sample", "eps": "epsilon", "v": "v_prediction"}


def model(x, t):
    return x @ weight + t / 1000


def build(cls, prediction, whole, **options):
    scheduler = cls(
        1000, 1e-4, 0.02, "scaled_linear", prediction_type=kind[prediction],
        timestep_spacing="trailing", **options,
    )
    # diffusers computes its table in f32; give it the exact one.
    scheduler.alphas_cumprod = alpha_bars
    scheduler.set_timesteps(whole)
    return scheduler


def timesteps_below(scheduler, timestep, steps):
    timesteps = [int(t) for t in scheduler.timesteps if int(t) <= timestep]
    assert len(timesteps) == steps and timesteps[0] == timestep
    return timesteps


def ddim(prediction, whole, timestep, steps, x, noise, eta):
    scheduler = build(DDIMScheduler, prediction, whole, clip_sample=False)
    scheduler.final_alpha_cumprod = torch.tensor(1.0)
    for index, t in enumerate(timesteps_below(scheduler, timestep, steps)):
        # The last step has no variance; its noise is not used.
        fresh = noise[min(index + 1, steps - 1)] if eta > 0 else None
        x = scheduler.step(model(x, t), t, x, eta=eta, variance_noise=fresh).prev_sample
    return x


def ddpm(prediction, whole, timestep, steps, x, noise):
    module = sys.modules[DDPMScheduler.__module__]
    scheduler = build(
        DDPMScheduler, prediction, whole, clip_sample=False, variance_type="fixed_small"
    )
    scheduler.one = torch.tensor(1.0)
    for index, t in enumerate(timesteps_below(scheduler, timestep, steps)):
        # The stored noise in place of the generator's.
        module.randn_tensor = lambda *_, **__: noise[min(index + 1, steps - 1)]
        x = scheduler.step(model(x, t), t, x).prev_sample
    return x


def dpm_solver_pp_2m(prediction, whole, timestep, steps, x, noise):
    scheduler = build(
        DPMSolverMultistepScheduler, prediction, whole, algorithm_type="dpmsolver++",
        solver_order=2, solver_type="midpoint", lower_order_final=False,
        final_sigmas_type="zero",
    )
    kept = alpha_bars[scheduler.timesteps]
    scheduler.sigmas = torch.cat([((1 - kept) / kept).sqrt(), torch.zeros(1)])
    scheduler.set_begin_index(whole - steps)
    # The body of its `step`, which would round the sample to f32.
    for index, t in enumerate(timesteps_below(scheduler, timestep, steps)):
        if index == 0:
            scheduler._init_step_index(t)
        x0 = scheduler.convert_model_output(model(x, t), sample=x)
        scheduler.model_outputs = [scheduler.model_outputs[-1], x0]
        if index in (0, steps - 1):
            x = scheduler.dpm_solver_first_order_update(x0, sample=x)
        else:
            outputs = scheduler.model_outputs
            x = scheduler.multistep_dpm_solver_second_order_update(outputs, sample=x)
        scheduler._step_index += 1
    return x


samplers = {
    "ddim": lambda *case: ddim(*case, eta=0.0),
    "ddim eta": lambda *case: ddim(*case, eta=0.7),
    "ddpm": ddpm,
    "dpm_solver_pp_2m": dpm_solver_pp_2m,
}
cases = []
# (whole chain, timestep to start at, steps left): `trailing` spacing of 1000 / whole.
for whole, timestep, steps in [(5, 599, 3), (50, 199, 10), (20, 999, 20)]:
    for prediction in kind:
        for name, sampler in samplers.items():
            noise = normal(steps, rows, dim)
            at = alpha_bars[timestep]
            x = start * at.sqrt() + noise[0] * (1 - at).sqrt()
            output = sampler(prediction, whole, timestep, steps, x, noise)
            config = {"kind": name.split()[0], "timestep": timestep, "steps": steps}
            if "eta" in name:
                config["eta"] = 0.7
            cases.append({
                "prediction": prediction, "sampler": config, "steps": steps,
                "timesteps": [(timestep + 1) * k // steps - 1 for k in range(steps, 0, -1)],
                "noise": noise.flatten().tolist(),
                "output": output.flatten().tolist(),
            })
golden = {
    "rows": rows, "dim": dim, "start": start.flatten().tolist(),
    "weight": weight.flatten().tolist(), "cases": cases,
}
json.dump(golden, open(sys.argv[1], "w"))
print("torch", torch.__version__, "diffusers", diffusers.__version__)
