"""Sounds in every container, rate, number of channels and quality, and what two independent
decoders make of them.

Usage: python matrix.py
Writes matrix/ and matrix.json beside itself: for each file its rate, its frames, and of the
mean over channels the RMS, the peak and 16 samples, by libsndfile (which decodes MP3 with
mpg123). Says where ffmpeg differs by more than 1e-5.
"""

import json
import pathlib
import subprocess

import numpy as np
import soundfile

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / "matrix"
PROBES = 16


def sound(rate: int, channels: int, seconds: float) -> np.ndarray:
    """Chirps, one a channel, all different, over faint seeded noise: [frames, channels]."""
    generator = np.random.default_rng(7)
    time = np.arange(int(rate * seconds)) / rate
    top = 0.4 * rate
    columns = []
    for channel in range(channels):
        low = 150.0 * (channel + 1)
        phase = 2 * np.pi * (low * time + (top / (channel + 2) - low) * time**2 / (2 * seconds))
        columns.append(0.7 / (1 + 0.3 * channel) * np.sin(phase))
    return np.stack(columns, axis=1) + 0.003 * generator.standard_normal((len(time), channels))


def by_ffmpeg(path: pathlib.Path, channels: int) -> np.ndarray:
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "f32le", "-c:a", "pcm_f32le", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(raw, "<f4").reshape(-1, channels)


def cases():
    for subtype in ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]:
        for rate, channels in [(8000, 1), (44100, 2), (48000, 6)]:
            yield "wav", subtype, rate, channels, None, 0.01
    for subtype in ["PCM_S8", "PCM_16", "PCM_24"]:
        for rate, channels in [(8000, 1), (22050, 2), (44100, 2), (48000, 6), (96000, 8)]:
            yield "flac", subtype, rate, channels, None, 0.1 / channels
    for level in [0.0, 0.5, 1.0]:
        yield "flac", "PCM_16", 44100, 2, level, 0.05
    for rate in [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000]:
        for channels in [1, 2]:
            yield "ogg", "VORBIS", rate, channels, None, 0.1
    for channels in range(3, 9):
        for level in [0.2, 0.8]:
            yield "ogg", "VORBIS", 48000, channels, level, 0.06
    for level in [0.0, 0.3, 0.6, 0.9]:
        yield "ogg", "VORBIS", 44100, 2, level, 0.1
    for rate in [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000]:
        for channels in [1, 2]:
            yield "mp3", "MPEG_LAYER_III", rate, channels, None, 0.3
    for level in [0.0, 0.3, 0.6, 0.9]:
        yield "mp3", "MPEG_LAYER_III", 44100, 2, level, 0.3
    for mode in ["CONSTANT", "AVERAGE", "VARIABLE"]:
        yield "mp3", "MPEG_LAYER_III", 44100, 2, mode, 0.3


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    found, worst = [], 0.0
    for container, subtype, rate, channels, quality, seconds in cases():
        name = f"{container}-{subtype.lower()}-{rate}-{channels}"
        options = {}
        if isinstance(quality, float):
            name += f"-{quality:.1f}"
            options["compression_level"] = quality
        elif quality:
            name += f"-{quality.lower()}"
            options["bitrate_mode"] = quality
        path = FOLDER / f"{name}.{container}"
        with soundfile.SoundFile(
            path, "w", rate, channels, subtype=subtype, format=container.upper(), **options
        ) as file:
            file.write(sound(rate, channels, seconds))
        decoded, read_rate = soundfile.read(path, dtype="float64", always_2d=True)
        assert read_rate == rate and decoded.shape[1] == channels
        mean = decoded.mean(axis=1)
        other = by_ffmpeg(path, channels).mean(axis=1)
        # ffmpeg ends short Ogg files elsewhere than they say.
        both = min(len(mean), len(other))
        assert both == len(mean) or container == "ogg", name
        gap = np.abs(other[:both] - mean[:both]).max()
        worst = max(worst, gap)
        if gap > 1e-5:
            print(name, "differs by", gap, "at", np.abs(other[:both] - mean[:both]).argmax(), "of", both)
        at = [len(mean) * (2 * probe + 1) // (2 * PROBES) for probe in range(PROBES)]
        found.append({
            "file": path.name,
            "rate": rate,
            "frames": len(mean),
            "rms": float(np.sqrt((mean**2).mean())),
            "peak": float(np.abs(mean).max()),
            "samples": {index: float(mean[index]) for index in at},
        })
    lines = ",\n".join(json.dumps(case) for case in found)
    (HERE / "matrix.json").write_text(f"[\n{lines}\n]\n")
    version = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True).stdout.split()[2]
    print(len(found), "files; ffmpeg within", worst)
    print("numpy", np.__version__, soundfile.__libsndfile_version__, "ffmpeg", version)


main()
