"""Writes adamw.json: five AdamW updates by torch, with a changing rate.

Usage: python adamw.py OUTPUT.json
"""

import json
import sys

import torch

torch.manual_seed(0)
start = torch.randn(4, dtype=torch.float32)
gradients = torch.randn(5, 4, dtype=torch.float32)
rates = [0.1, 0.05, 0.2, 0.01, 0.1]
parameter = torch.nn.Parameter(start.clone())
optimizer = torch.optim.AdamW([parameter], lr=1.0, weight_decay=0.03, betas=(0.8, 0.99), eps=1e-6)
values = []
for rate, gradient in zip(rates, gradients):
    optimizer.param_groups[0]["lr"] = rate
    parameter.grad = gradient.clone()
    optimizer.step()
    values.append(parameter.detach().tolist())
with open(sys.argv[1], "w") as file:
    json.dump(
        {
            "torch": torch.__version__,
            "start": start.tolist(),
            "gradients": gradients.tolist(),
            "rates": rates,
            "values": values,
        },
        file,
        indent=1,
    )
