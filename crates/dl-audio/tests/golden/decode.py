"""Sound files in the compressed formats, and what libsndfile decodes them to.

Usage: python decode.py <esc10 folder>
Writes tone*, tone_*.npy and real_sneeze.* beside itself.
"""

import pathlib
import shutil
import sys

import numpy as np
import soundfile

from synthetic import synthetic

HERE = pathlib.Path(__file__).parent


def main() -> None:
    # Two channels of the synthetic signal, 0.4 s at 32 kHz, the second one half as loud.
    left = synthetic(12_800)
    stereo = np.stack([left, left >> 1], axis=1)
    soundfile.write(HERE / "tone_16.flac", stereo, 32_000, subtype="PCM_16")
    soundfile.write(HERE / "tone_24.flac", stereo.astype(np.int32) << 15, 32_000, subtype="PCM_24")
    # Lossy: a smooth sound, which decoders agree on.
    seconds = np.arange(12_800) / 32_000
    tone = 0.5 * np.sin(2 * np.pi * (300 * seconds + 2000 * seconds**2))
    stereo = np.stack([tone, 0.5 * tone], axis=1).astype(np.float32)
    for name, subtype in [("tone.ogg", "VORBIS"), ("tone.mp3", "MPEG_LAYER_III")]:
        soundfile.write(HERE / name, stereo, 32_000, subtype=subtype)
        decoded, rate = soundfile.read(HERE / name, dtype="float32")
        assert rate == 32_000
        np.save(HERE / f"{name.replace('.', '_')}.npy", decoded.mean(axis=1, dtype=np.float64).astype(np.float32))
    soundfile.write(HERE / "opus.ogg", stereo[:1600].repeat(3, axis=0), 48_000, format="OGG", subtype="OPUS")
    # An encoder whose page positions are 325 samples off: libsndfile loses that much of the end.
    shutil.copyfile(pathlib.Path(sys.argv[1]) / "person_sneeze/2-130978-A.ogg", HERE / "real_sneeze.ogg")
    decoded, _ = soundfile.read(HERE / "real_sneeze.ogg", dtype="float32")
    assert len(decoded) == 159_707
    np.save(HERE / "real_sneeze.npy", decoded[::16])
    print("numpy", np.__version__, "libsndfile", soundfile.__libsndfile_version__)


main()
