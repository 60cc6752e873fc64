"""Golden forward of the network, written a second time in PyTorch, with seeded
random weights in every layer. Usage: network.py OUTPUT.safetensors"""
import math
import sys

import safetensors
import torch
from safetensors.torch import save_file
from torch import nn

DIM, HIDDEN, BLOCKS, ROWS = 6, 10, 3, 4
torch.manual_seed(5)


def time_embedding(timesteps, size, max_period=10000):
    half = size // 2
    steps = torch.arange(half, dtype=torch.float64)
    frequencies = torch.exp(-math.log(max_period) * steps / half)
    angles = timesteps[:, None].double() * frequencies[None]
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1).float()


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_in = nn.LayerNorm(HIDDEN)
        self.linear_in = nn.Linear(HIDDEN, HIDDEN)
        self.time = nn.Linear(DIM, HIDDEN)
        self.norm_out = nn.LayerNorm(HIDDEN)
        self.linear_out = nn.Linear(HIDDEN, HIDDEN)

    def forward(self, x, time):
        h = self.linear_in(nn.functional.silu(self.norm_in(x)))
        h = h + self.time(nn.functional.silu(time))
        return x + self.linear_out(nn.functional.silu(self.norm_out(h)))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.input = nn.Linear(DIM, HIDDEN)
        self.time = nn.ModuleList([nn.Linear(2 * DIM, DIM), nn.Linear(DIM, DIM)])
        self.blocks = nn.ModuleList([Block() for _ in range(BLOCKS)])
        self.output_norm = nn.LayerNorm(HIDDEN, eps=1e-6)
        self.output = nn.Linear(HIDDEN, DIM)

    def forward(self, x, timesteps):
        time = self.time[1](nn.functional.silu(self.time[0](time_embedding(timesteps, 2 * DIM))))
        h = self.input(x)
        for block in self.blocks:
            h = block(h, time)
        return self.output(nn.functional.silu(self.output_norm(h)))


network = Network()
with torch.no_grad():
    for parameter in network.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.5)
    x, timesteps = torch.randn(ROWS, DIM), torch.tensor([0, 7, 50, 999])
    tensors = {f"weights.{name}": value for name, value in network.state_dict().items()}
    tensors |= {"x": x, "timesteps": timesteps, "y": network(x, timesteps)}
save_file(tensors, sys.argv[1])
print("torch", torch.__version__, "safetensors", safetensors.__version__)
