"""Golden outputs of the reference implementation of aiSFX.

usage: python aisfx.py PACKAGE CHECKPOINT OUT
PACKAGE is the directory of the PyPI package aisfx 0.1.2 (the one that holds
models/ and spectrogram/), CHECKPOINT its checkpoint.pth. Writes aisfx.safetensors
and aisfx.wav.

The package's librosa front end gives [mels, frames] and its blocking takes
[frames, mels]; the spectrogram is transposed in between, as its Essentia front
end has it.
"""

import importlib.util
import sys
from pathlib import Path

import librosa
import numpy as np
import soundfile
import torch
from safetensors.numpy import save_file

SEED, RATE, HOP = 20260101, 44100, 50


def module(package, name):
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), package / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def log_mels(rng):
    """Noise; two ridges that cross; almost silence with one click."""
    noise = rng.uniform(0, 1, (100, 96))
    frames, mels = np.mgrid[0:100, 0:96]
    ridges = np.exp(-((mels - 0.8 * frames) ** 2) / 40) + np.exp(-((mels - 80 + 0.6 * frames) ** 2) / 20)
    click = np.full((100, 96), 1e-3)
    click[40:43] += 0.6 * np.linspace(1, 0, 96)
    return np.stack([noise, np.clip(ridges, 0, 1), click]).astype(np.float32)


def waveform(rng):
    """3.6 s: a rising tone with a tremolo, bursts of noise, a pause."""
    t = np.arange(int(3.6 * RATE)) / RATE
    tone = np.sin(2 * np.pi * (300 * t + 220 * t**2)) * (0.6 + 0.4 * np.sin(2 * np.pi * 5 * t))
    bursts = rng.standard_normal(t.size) * np.exp(-8 * (t % 0.9))
    return 0.5 * np.where((t > 2.0) & (t < 2.4), 0, 0.5 * tone + 0.2 * bursts)


def main(package, checkpoint, out):
    package, out = Path(package), Path(out)
    cnn = module(package, "models/cnn2d")
    front = module(package, "spectrogram/spectrogram_librosa")
    prepare = module(package, "preprocessing")
    weights, _ = torch.load(checkpoint, map_location="cpu", weights_only=False)
    prefix = "embedding_net."
    net = cnn.EmbeddingNet("max", 3, 1, 64)
    net.load_state_dict({k[len(prefix):]: v for k, v in weights.items() if k.startswith(prefix)})
    net.eval()
    rng = np.random.default_rng(SEED)

    inputs = log_mels(rng)
    soundfile.write(out / "aisfx.wav", waveform(rng), RATE, subtype="PCM_16")
    spectrogram = front.compute_spectrogram(str(out / "aisfx.wav"), RATE, 2048, 1024, 96, 0.0, 22050.0).T
    spectrogram = prepare.spectrogram_normalize(spectrogram).astype(np.float32)
    blocks = prepare.blocking(spectrogram, 100, HOP, True)
    short = prepare.blocking(spectrogram[:60], 100, 100, True)
    with torch.no_grad():
        of = lambda x: net(torch.tensor(x, dtype=torch.float32)).numpy()
        goldens = {
            "log_mels": inputs,
            "embeddings": of(inputs),
            "wav_embedding": of(blocks).mean(axis=0),
            "short_embedding": of(short)[0],
            "wav_blocks": np.array([len(blocks)], dtype=np.int64),
        }
    save_file(goldens, out / "aisfx.safetensors")
    print("python", sys.version.split()[0], "torch", torch.__version__, "librosa", librosa.__version__,
          "numpy", np.__version__, "soundfile", soundfile.__version__)
    for name, value in goldens.items():
        print(name, value.shape, float(np.abs(value).max()))


if __name__ == "__main__":
    main(*sys.argv[1:4])
