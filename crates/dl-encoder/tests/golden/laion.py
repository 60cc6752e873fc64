"""A toy CLAP with random weights as LAION's code would have saved it, and the same tensors
under the names of transformers' ClapModel.

Usage: python laion.py          writes laion.pt and laion.safetensors beside itself

transformers has a script that renames a LAION checkpoint; this one renames backwards, so that
the names on the Hugging Face side are those of the library and not of a table.
"""

import pathlib
import re

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from transformers import ClapConfig, ClapModel

TOY = dict(
    projection_dim=6,
    audio_config=dict(
        window_size=4, num_mel_bins=64, spec_size=256, patch_embeds_hidden_size=8,
        depths=[1, 2], num_attention_heads=[2, 4], hidden_size=16, num_hidden_layers=2,
        enable_fusion=True,
    ),
    text_config=dict(
        vocab_size=20, hidden_size=8, num_hidden_layers=2, num_attention_heads=1,
        intermediate_size=12, max_position_embeddings=14, layer_norm_eps=1e-5,
    ),
)
BACKWARDS = [
    (r"^audio_model\.audio_encoder\.", "audio_branch."),
    (r"^text_model\.", "text_branch."),
    (r"^audio_branch\.batch_norm\.", "audio_branch.bn0."),
    (r"(audio_branch\.layers.*)\.layernorm_before\.", r"\1.norm1."),
    (r"(audio_branch\.layers.*)\.layernorm_after\.", r"\1.norm2."),
    (r"(audio_branch\.layers.*)\.attention\.self\.", r"\1.attn."),
    (r"(audio_branch\.layers.*)\.attention\.output\.dense\.", r"\1.attn.proj."),
    (r"(audio_branch\.layers.*)\.intermediate\.dense\.", r"\1.mlp.fc1."),
    (r"(audio_branch\.layers.*)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"^(audio|text)_projection\.linear1\.", r"\1_projection.0."),
    (r"^(audio|text)_projection\.linear2\.", r"\1_projection.2."),
]


def backwards(name: str) -> str:
    for pattern, replacement in BACKWARDS:
        name = re.sub(pattern, replacement, name)
    return name


def main() -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(11)
    model = ClapModel(ClapConfig(**TOY)).eval()
    state = {}
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor = torch.randn(tensor.shape, generator=generator).abs()
        state[name] = tensor.clone()

    laion = {backwards(name): tensor for name, tensor in state.items()}
    for name in [name for name in laion if ".attn.query." in name]:
        parts = [laion.pop(name.replace("query", part)) for part in ("query", "key", "value")]
        laion[name.replace("query", "qkv")] = torch.cat(parts)
    # What the original has beyond that.
    for name, shape in {
        "audio_branch.spectrogram_extractor.stft.conv_real.weight": (5, 1, 8),
        "audio_branch.spectrogram_extractor.stft.conv_imag.weight": (5, 1, 8),
        "audio_branch.logmel_extractor.melW": (5, 4),
        "audio_branch.layers.0.blocks.1.attn_mask": (4, 16, 16),
        "audio_branch.tscam_conv.weight": (3, 16, 2, 3),
        "audio_branch.tscam_conv.bias": (3,),
        "audio_branch.head.weight": (3, 3),
        "audio_branch.head.bias": (3,),
        "audio_transform.sequential.0.weight": (6, 6),
        "audio_transform.sequential.3.bias": (6,),
        "text_transform.sequential.0.weight": (6, 6),
        "text_transform.sequential.3.bias": (6,),
    }.items():
        laion[name] = torch.randn(shape, generator=generator)

    # Numbers of batches seen, positions and kinds of token are no weights.
    dropped = ("num_batches_tracked", "position_ids", "token_type_ids")
    kept = {name: tensor for name, tensor in state.items() if not name.endswith(dropped)}
    here = pathlib.Path(__file__).parent
    save_file({name: tensor.contiguous() for name, tensor in kept.items()}, here / "laion.safetensors")
    (here / "laion.safetensors").chmod(0o644)
    some = next(iter(laion.values()))
    torch.save(
        {
            "epoch": 45,
            "name": "toy",
            "state_dict": {f"module.{name}": tensor for name, tensor in laion.items()},
            "optimizer": {"state": {0: {"step": 1, "exp_avg": torch.zeros_like(some)}}},
            "best": {"R@1": np.float64(0.25)},
        },
        here / "laion.pt",
    )
    print("tensors", len(laion), "torch", torch.__version__, "transformers", transformers.__version__)


main()
