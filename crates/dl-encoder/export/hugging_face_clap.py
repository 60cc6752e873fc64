"""From a ClapModel directory of Hugging Face to a bundle for `TorchScriptEncoder`.

Usage: python hugging_face_clap.py MODEL_DIRECTORY BUNDLE_DIRECTORY [--int16] [--device cuda]

Needs torch, transformers and safetensors. Tried with torch 2.11.0 and transformers 5.23.0 on
models of random weights, unfused and fused. A trace keeps its device: export once for each.
"""

import argparse
import pathlib

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer
from torch.nn.functional import normalize
from transformers import ClapFeatureExtractor, ClapModel

import bundle

FILL = {"repeatpad": "repeat_pad", "repeat": "repeat", "pad": "zero_pad"}


class Audio(torch.nn.Module):
    def __init__(self, model: ClapModel):
        super().__init__()
        self.tower, self.head = model.audio_model, model.audio_projection

    def forward(self, features: torch.Tensor, is_longer: torch.Tensor) -> torch.Tensor:
        pooled = self.tower(input_features=features, is_longer=is_longer).pooler_output
        return normalize(self.head(pooled), dim=-1)


class Text(torch.nn.Module):
    def __init__(self, model: ClapModel):
        super().__init__()
        self.tower, self.head = model.text_model, model.text_projection

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        pooled = self.tower(input_ids=ids, attention_mask=mask).pooler_output
        return normalize(self.head(pooled), dim=-1)


def hear(extractor: ClapFeatureExtractor, clips: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Features, and whether a clip is longer than the window. The extractor takes chunks of long
    clips by chance; here always the middle ones. Which ones matters not for the probe."""
    fused = extractor.truncation == "fusion"
    chance, np.random.choice = np.random.choice, lambda starts: starts[(len(starts) - 1) // 2]
    try:
        features = [
            extractor(clip, sampling_rate=extractor.sampling_rate, return_tensors="pt")["input_features"][0]
            for clip in clips
        ]
    finally:
        np.random.choice = chance
    longer = [fused and clip.size > extractor.nb_max_samples for clip in clips]
    return torch.stack(features), torch.tensor(longer)[:, None]


def probe_clips(extractor: ClapFeatureExtractor) -> list[np.ndarray]:
    """Short and repeated, filled up, exactly the window and, with fusion, longer than it."""
    window = extractor.max_length_s
    lengths = [0.05, 0.37, 0.8, 1.0] + ([1.6, 3.0] if extractor.truncation == "fusion" else [])
    return bundle.sounds(extractor.sampling_rate, [window * length for length in lengths])


def front_end(extractor: ClapFeatureExtractor, int16: bool) -> dict:
    return bundle.front_end(
        fusion=extractor.truncation == "fusion", rate=extractor.sampling_rate,
        n_fft=extractor.fft_window_size, hop=extractor.hop_length, mels=extractor.feature_size,
        low=extractor.frequency_min, high=extractor.frequency_max,
        seconds=extractor.max_length_s, fill=FILL[extractor.padding], int16=int16,
    )


def export(source: pathlib.Path, target: pathlib.Path, int16: bool, device: str) -> None:
    # Attention in plain products: the fast paths choose by what a mask holds, and a trace would
    # keep the choice.
    model = ClapModel.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()
    extractor = ClapFeatureExtractor.from_pretrained(source)
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_padding()
    settings = model.config.text_config
    max_tokens = min(77, settings.max_position_embeddings - settings.pad_token_id - 1)
    tokenizer.enable_truncation(max_tokens)
    features, is_longer = hear(extractor, probe_clips(extractor))
    bundle.write(
        target, name=source.resolve().name, audio=Audio(model), text=Text(model),
        features=features, is_longer=is_longer,
        tokens=[tokenizer.encode(text).ids for text in bundle.TEXTS],
        pad=settings.pad_token_id, max_tokens=max_tokens, front_end=front_end(extractor, int16),
        tokenizer=source / "tokenizer.json",
        made_with={"transformers": transformers.__version__}, device=device,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("target", type=pathlib.Path)
    parser.add_argument("--int16", action="store_true", help="round samples as LAION's code does")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    export(given.source, given.target, given.int16, given.device)
