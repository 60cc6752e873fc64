"""Goldens of the log-mel front ends, from librosa, aisfx's own code and CLAP's feature extractor.

Usage: PYTHONPATH=<folder with the aisfx package> python log_mel.py <esc10 folder>
Writes real_*.flac, front_ends.json and log_mel_*.npy beside itself.
"""

import json
import pathlib
import sys
import tempfile

import librosa
import numpy as np
import soundfile
import transformers
from aisfx.spectrogram.spectrogram_librosa import compute_spectrogram
from transformers import ClapFeatureExtractor

from synthetic import synthetic

HERE = pathlib.Path(__file__).parent
REAL = {"dog": ("dog_bark/1-30226-A.ogg", 0.0), "rain": ("rain/1-17367-A.ogg", 1.0)}

# In the form that LogMelConfig reads.
CLAP = dict(
    sample_rate=48000, peak_normalise=False, n_fft=1024, win_length=1024, hop_length=480,
    padding="reflect", spectrum="power", n_mels=64, f_min=50.0, f_max=14000.0,
    mel_scale="slaney", mel_norm="slaney",
    compression=dict(kind="decibel", amin=1e-10, reference=1.0, top_db=None),
)
FRONT_ENDS = {
    "aisfx": dict(
        sample_rate=44100, peak_normalise=True, n_fft=2048, win_length=2048, hop_length=1024,
        padding="zero", spectrum="power", n_mels=96, f_min=0.0, f_max=22050.0,
        mel_scale="htk", mel_norm="unit_sum",
        compression=dict(kind="log_gain", gain=1e4, divisor=9.457798957824707),
    ),
    "clap_unfused": CLAP,
    "clap_fused": CLAP | dict(mel_scale="htk", mel_norm="none"),
    "short_window": dict(
        sample_rate=32000, peak_normalise=False, n_fft=1024, win_length=800, hop_length=320,
        padding="zero", spectrum="magnitude", n_mels=40, f_min=0.0, f_max=16000.0,
        mel_scale="slaney", mel_norm="unit_sum",
        compression=dict(kind="natural_log", floor=1e-5),
    ),
    "uncentred": dict(
        sample_rate=16000, peak_normalise=False, n_fft=1000, win_length=999, hop_length=333,
        padding="none", spectrum="power", n_mels=32, f_min=20.0, f_max=7600.0,
        mel_scale="htk", mel_norm="slaney",
        compression=dict(kind="decibel", amin=1e-8, reference=0.5, top_db=60.0),
    ),
}


def log_mel(name: str, config: dict, y: np.ndarray) -> np.ndarray:
    """[frames, mels]"""
    compression = config["compression"]
    if name == "aisfx":
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            soundfile.write(file.name, y, 44100, subtype="FLOAT")
            mel = compute_spectrogram(file.name, 44100, 2048, 1024, 96, 0.0, 22050.0)
        return mel.T / compression["divisor"]
    mel = librosa.feature.melspectrogram(
        y=y, sr=config["sample_rate"], n_fft=config["n_fft"], hop_length=config["hop_length"],
        win_length=config["win_length"], center=config["padding"] != "none",
        pad_mode="reflect" if config["padding"] == "reflect" else "constant",
        power=2.0 if config["spectrum"] == "power" else 1.0, n_mels=config["n_mels"],
        fmin=config["f_min"], fmax=config["f_max"], htk=config["mel_scale"] == "htk",
        norm={"none": None, "slaney": "slaney", "unit_sum": 1.0}[config["mel_norm"]],
    ).T
    if compression["kind"] == "natural_log":
        return np.log(np.maximum(mel, compression["floor"]))
    return librosa.power_to_db(
        mel, amin=compression["amin"], ref=compression["reference"], top_db=compression["top_db"]
    )


def thin(rows: np.ndarray, step: int) -> np.ndarray:
    """Every `step`-th row and the last one."""
    return np.concatenate([rows[:-1][::step], rows[-1:]]).astype(np.float32)


def main() -> None:
    esc10 = pathlib.Path(sys.argv[1])
    clips = [synthetic(length) / np.float32(32768) for length in (4410, 44100, 101430)]
    for name, (file, start) in REAL.items():
        sound, rate = soundfile.read(esc10 / file, dtype="float32")
        piece = sound[int(start * rate):][: int(2.3 * rate)]
        pcm = np.clip(np.round(piece * 32768), -32768, 32767).astype(np.int16)
        soundfile.write(HERE / f"real_{name}.flac", pcm, rate, subtype="PCM_16")
        clips.append(pcm / np.float32(32768))
    for name, config in FRONT_ENDS.items():
        rows = [thin(log_mel(name, config, clip), 7) for clip in clips]
        np.save(HERE / f"log_mel_{name}.npy", np.concatenate(rows))
    (HERE / "front_ends.json").write_text(json.dumps(FRONT_ENDS, indent=1) + "\n")

    extractor = ClapFeatureExtractor(frequency_min=50, frequency_max=14000, padding="repeatpad")
    for name, truncation in [("unfused", "rand_trunc"), ("fused", "fusion")]:
        features = extractor(
            clips[-1], sampling_rate=48000, truncation=truncation, return_tensors="np"
        )["input_features"]
        np.save(HERE / f"log_mel_clap_extractor_{name}.npy", thin(features[0, 0], 40))
    print("librosa", librosa.__version__, "numpy", np.__version__, "aisfx 0.1.2",
          "transformers", transformers.__version__, "libsndfile", soundfile.__libsndfile_version__)


main()
