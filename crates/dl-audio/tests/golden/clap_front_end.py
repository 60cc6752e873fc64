"""Goldens of the CLAP front end, from ClapFeatureExtractor of transformers.

Usage: python clap_front_end.py
Reads real_*.flac and writes clap_front_end.{json,npy} beside itself. The recordings were cut
from ESC-10 by log_mel.py; here they count as 48 kHz.
"""

import json
import pathlib

import numpy as np
import soundfile
import torch
import transformers
from transformers import ClapFeatureExtractor

HERE = pathlib.Path(__file__).parent
RATE, HOP = 48_000, 480
WINDOW = 10 * RATE
# 0.1 s, 5 s, 10 s, one sample more, one frame more (two starts, three thirds), 60 s.
SHORT, LONG = [RATE // 10, 5 * RATE], [WINDOW + 1, WINDOW + HOP, 60 * RATE]
STEP = 97


def clip(length: int) -> np.ndarray:
    """Dog, rain, dog, ...: every copy of the two at half the level, from anew after four."""
    both = np.concatenate(
        [soundfile.read(HERE / f"real_{name}.flac", dtype="float32")[0] for name in ("dog", "rain")]
    )
    at = np.arange(length)
    return both[at % len(both)] * np.float32(0.5) ** (at // len(both) % 4).astype(np.float32)


def through_int16(x: np.ndarray) -> np.ndarray:
    """As LAION-CLAP's training data went."""
    return ((np.clip(x, -1, 1) * 32767.0).astype(np.int16) / 32767.0).astype(np.float32)


def choose(policy: str) -> None:
    """Every random choice of the extractor becomes the first or the middle one."""
    middle = {"first": lambda n: 0, "centre": lambda n: (n - 1) // 2}[policy]
    np.random.choice = lambda values: values[middle(len(values))]
    np.random.randint = lambda low, high: low + middle(high - low)


def thin(mel: np.ndarray) -> np.ndarray:
    """Every STEP-th row and the last one."""
    return np.concatenate([mel[:-1][::STEP], mel[-1:]]).astype(np.float32)


def main() -> None:
    extractor = ClapFeatureExtractor(frequency_min=50, frequency_max=14000)
    cases, rows = [], []

    def add(truncation, padding, policy, samples, int16=False):
        choose(policy)
        sound = through_int16(clip(samples) * 2) if int16 else clip(samples)
        mel, longer = extractor._get_input_mel(sound, WINDOW, truncation, padding)
        channels = list(mel)
        if all(np.array_equal(channels[0], other) for other in channels):
            channels = channels[:1]
        cases.append(dict(truncation=truncation, padding=padding, policy=policy, samples=samples,
                          int16=int16, is_longer=longer, distinct_channels=len(channels)))
        rows.extend(thin(channel) for channel in channels)

    for truncation in ("rand_trunc", "fusion"):
        for padding in ("repeatpad", "repeat", "pad"):
            for samples in SHORT:
                add(truncation, padding, "first", samples)
        add(truncation, "repeatpad", "first", WINDOW)
        for policy in ("first", "centre"):
            for samples in LONG:
                add(truncation, "repeatpad", policy, samples)
    # Twice as loud, so that some samples lie outside of [-1, 1].
    add("rand_trunc", "repeatpad", "first", 5 * RATE, int16=True)

    np.save(HERE / "clap_front_end.npy", np.stack(rows))
    golden = dict(step=STEP, preprocessor=extractor.to_dict(), cases=cases)
    text = json.dumps(golden).replace(' {"truncation"', '\n{"truncation"')
    (HERE / "clap_front_end.json").write_text(text + "\n")
    print("transformers", transformers.__version__, "torch", torch.__version__,
          "numpy", np.__version__, "libsndfile", soundfile.__libsndfile_version__)


main()
