"""Goldens of resampling, from soxr at its highest quality through librosa.

Usage: python resample.py   (after log_mel.py)
Writes resampled_*.npy beside itself.
"""

import pathlib

import librosa
import numpy as np
import soundfile
import soxr

HERE = pathlib.Path(__file__).parent


def main() -> None:
    for name, to in [("dog", 44_100), ("rain", 48_000), ("dog", 16_000)]:
        sound, rate = soundfile.read(HERE / f"real_{name}.flac", dtype="float64")
        resampled = librosa.resample(sound, orig_sr=rate, target_sr=to, res_type="soxr_vhq")
        np.save(HERE / f"resampled_{name}_{to}.npy", resampled[::16].astype(np.float32))
    print("librosa", librosa.__version__, "soxr", soxr.__version__, "numpy", np.__version__)


main()
