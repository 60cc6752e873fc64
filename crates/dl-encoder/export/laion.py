"""From a checkpoint of LAION's own package to a bundle for `TorchScriptEncoder`.

Usage: python laion.py CHECKPOINT.pt TOKENIZER.json BUNDLE_DIRECTORY
                       [--model HTSAT-tiny] [--fusion] [--device cuda]

TOKENIZER.json is that of `roberta-base`. Needs torch, laion_clap, safetensors and tokenizers.

NOT tried: written against laion_clap's sources (hook.py, clap_module/model.py, clap_module/htsat.py)
without the package and its weights. What it shares with hugging_face_clap.py (bundle.py) was tried
there; and nothing is written unless the traced towers agree with the eager ones.

An unfused model computes its spectrogram inside, with torchlibrosa; here it is taken after that
step, so that the bundle takes spectrograms like all others. Samples are rounded to 16 bits first,
as the package does it.
"""

import argparse
import importlib.metadata
import pathlib

import laion_clap.clap_module.htsat
import numpy as np
import torch
from laion_clap import CLAP_Module
from laion_clap.training.data import float32_to_int16, get_audio_features, int16_to_float32
from tokenizers import Tokenizer
from torch.nn.functional import normalize

import bundle

MAX_TOKENS = 77
PAD = 1


def windows_to_image(windows: torch.Tensor, side: int, height: int, width: int) -> torch.Tensor:
    """The package's window_reverse turns the batch size into a Python number, which a trace keeps
    (likely what befell LAION-AI/CLAP#175); here it is left to torch."""
    channels = windows.shape[-1]
    grid = windows.reshape(-1, height // side, width // side, side, side, channels)
    return grid.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, channels)


class Audio(torch.nn.Module):
    """From spectrograms; the package's own forward begins with a dictionary."""

    def __init__(self, model: torch.nn.Module, fusion: bool):
        super().__init__()
        self.tower, self.head, self.fusion = model.audio_branch, model.audio_projection, fusion

    def forward(self, features: torch.Tensor, is_longer: torch.Tensor) -> torch.Tensor:
        image = self.tower.bn0(features.transpose(1, 3)).transpose(1, 3)
        image = self.tower.reshape_wav2img(image)
        longer = torch.where(is_longer[:, 0])[0] if self.fusion else None
        pooled = self.tower.forward_features(image, longer_idx=longer)["embedding"]
        return normalize(self.head(pooled), dim=-1)


class Text(torch.nn.Module):
    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.tower, self.head = model.text_branch, model.text_projection

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return normalize(self.head(self.tower(input_ids=ids, attention_mask=mask)["pooler_output"]), dim=-1)


def hear(clap: CLAP_Module, clips: list[np.ndarray], fusion: bool) -> tuple[torch.Tensor, torch.Tensor]:
    audio = clap.model_cfg["audio_cfg"]
    features, longer = [], []
    for clip in clips:
        waveform = torch.from_numpy(int16_to_float32(float32_to_int16(clip))).float()
        one = get_audio_features(
            {}, waveform, audio["clip_samples"], audio_cfg=audio,
            data_truncating="fusion" if fusion else "rand_trunc", data_filling="repeatpad",
        )
        if fusion:
            features.append(one["mel_fusion"])
        else:
            tower = clap.model.audio_branch
            spectrogram = tower.spectrogram_extractor(one["waveform"][None].to(next(tower.parameters()).device))
            features.append(tower.logmel_extractor(spectrogram)[0].cpu())
        longer.append(fusion and bool(one["longer"]))
    return torch.stack(features), torch.tensor(longer)[:, None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("tokenizer", type=pathlib.Path)
    parser.add_argument("target", type=pathlib.Path)
    parser.add_argument("--model", default="HTSAT-tiny", choices=["HTSAT-tiny", "HTSAT-base", "HTSAT-large"])
    parser.add_argument("--fusion", action="store_true")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()

    laion_clap.clap_module.htsat.window_reverse = windows_to_image
    np.random.seed(0)  # Chunks of long clips are taken by chance.
    clap = CLAP_Module(enable_fusion=given.fusion, amodel=given.model, device=given.device)
    clap.load_ckpt(str(given.checkpoint))
    model = clap.model.eval()
    # Attention in plain products: the fast paths choose by what a mask holds.
    if hasattr(model.text_branch, "set_attn_implementation"):
        model.text_branch.set_attn_implementation("eager")
    tokenizer = Tokenizer.from_file(str(given.tokenizer))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    audio = clap.model_cfg["audio_cfg"]
    rate, seconds = audio["sample_rate"], audio["clip_samples"] / audio["sample_rate"]
    lengths = [0.05, 0.37, 0.8, 1.0] + ([1.6, 3.0] if given.fusion else [])
    with torch.no_grad():
        features, is_longer = hear(clap, bundle.sounds(rate, [seconds * length for length in lengths]), given.fusion)
    bundle.write(
        given.target, name=given.checkpoint.stem, audio=Audio(model, given.fusion), text=Text(model),
        features=features, is_longer=is_longer,
        tokens=[tokenizer.encode(text).ids for text in bundle.TEXTS], pad=PAD, max_tokens=MAX_TOKENS,
        front_end=bundle.front_end(
            fusion=given.fusion, rate=rate, n_fft=audio["window_size"], hop=audio["hop_size"],
            mels=audio["mel_bins"], low=audio["fmin"], high=audio["fmax"], seconds=seconds,
            fill="repeat_pad", int16=True,
        ),
        tokenizer=given.tokenizer, made_with={"laion_clap": importlib.metadata.version("laion_clap")}, device=given.device,
    )


if __name__ == "__main__":
    main()
