"""Golden forward of the 1-D U-Net: `Unet1D` of denoising-diffusion-pytorch itself
(2.3.4, torch 2.11.0), small, with seeded random weights in every layer, computed in
f64. Prints the number of parameters at the published size.
Usage: unet.py OUTPUT.safetensors"""
import sys
from importlib.metadata import version

import torch
from denoising_diffusion_pytorch import Unet1D
from safetensors.torch import save_file

WIDTH, DIM, ROWS = 8, 16, 4
torch.manual_seed(7)
torch.set_default_dtype(torch.float64)

unet = Unet1D(dim=WIDTH, dim_mults=(1, 2), channels=1, attn_heads=4, attn_dim_head=32)
with torch.no_grad():
    for name, parameter in unet.named_parameters():
        # Gains about 1; what mixes, by the root of what it mixes; rounded to f32.
        inputs = parameter[0].numel() if parameter.dim() > 1 else 4
        drawn = torch.randn_like(parameter)
        drawn = 1 + 0.3 * drawn if name.endswith(".g") else drawn / inputs**0.5
        parameter.copy_(drawn.float())
    x = torch.randn(ROWS, DIM).float()
    timesteps = torch.tensor([0, 7, 50, 999])
    y = unet(x.double().unsqueeze(1), timesteps).squeeze(1).float()

tensors = {f"weights.{name}": value.float() for name, value in unet.state_dict().items()}
save_file(tensors | {"x": x, "timesteps": timesteps, "y": y}, sys.argv[1])
count = sum(p.numel() for p in Unet1D(dim=32, dim_mults=(1, 2, 4, 8), channels=1).parameters())
print("parameters at width 32:", count)
print("denoising-diffusion-pytorch", version("denoising-diffusion-pytorch"), "torch", torch.__version__)
