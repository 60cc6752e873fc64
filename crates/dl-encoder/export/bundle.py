"""What both export scripts share: a bundle for `dl_encoder::TorchScriptEncoder`.

A bundle is a directory of bundle.json, audio.pt, text.pt, tokenizer.json and probe.safetensors.
Tracing can change a model without a word (LAION-AI/CLAP#175 fell to chance level), so what the
eager model makes of several different clips and texts goes along, and the loader checks it.
"""

import hashlib
import io
import json
import pathlib
import shutil
import warnings
import zipfile

import numpy as np
import torch
from safetensors.torch import save_file

FORMAT = 1
COSINE = 0.99999
DIFFERENCE = 1e-3
TEXTS = [
    "a dog barks while rain falls on a tin roof",
    "Rain.",
    "an engine starts, idles for a while and dies; then somebody laughs in the distance",
    "a bell rings twice",
]


def sounds(rate: int, seconds: list[float], seed: int = 7) -> list[np.ndarray]:
    """Clips of different content: wavering tones, decaying bursts, noise that swells."""
    generator = np.random.default_rng(seed)
    clips = []
    for index, length in enumerate(seconds):
        t = np.arange(max(1, round(rate * length))) / rate
        tone = np.sin(2 * np.pi * (110 * 1.7**index) * t * (1 + 0.2 * np.sin(2 * np.pi * t)))
        bursts = generator.standard_normal(t.size) * np.exp(-((t * (1 + index)) % 1) * 6)
        swell = generator.standard_normal(t.size) * t / t.size * rate
        mix = [0.4 * tone, 0.3 * bursts, 0.1 * swell]
        clip = sum(part for number, part in enumerate(mix) if number != index % 3)
        clips.append((clip / max(1.0, np.abs(clip).max())).astype(np.float32))
    return clips


def front_end(*, fusion: bool, rate: int, n_fft: int, hop: int, mels: int, low: float, high: float,
              seconds: float, fill: str, int16: bool) -> dict:
    """`dl_audio::ClapFrontEndConfig` as JSON: Slaney's bank without fusion, HTK's with it."""
    return {
        "log_mel": {
            "sample_rate": rate, "peak_normalise": False, "n_fft": n_fft, "win_length": n_fft,
            "hop_length": hop, "padding": "reflect", "spectrum": "power", "n_mels": mels,
            "f_min": float(low), "f_max": float(high),
            "mel_scale": "htk" if fusion else "slaney", "mel_norm": "none" if fusion else "slaney",
            "compression": {"kind": "decibel", "amin": 1e-10, "reference": 1.0, "top_db": None},
        },
        "clip": {
            "length": {"seconds": float(seconds)}, "fill": fill,
            "crop": "none" if fusion else "first",
        },
        "int16": int16,
        "fusion": fusion,
        "chunks": "centre",
    }


def padded(rows: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and masks `[texts, tokens]`."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask


class Towers(torch.nn.Module):
    """One traced tower for clips as they are and, for a fused model, one for batches in which a
    clip is longer: which of the two runs must not be frozen by a trace."""

    def __init__(self, plain, fused):
        super().__init__()
        self.plain = plain
        self.fused = fused

    def forward(self, features: torch.Tensor, is_longer: torch.Tensor) -> torch.Tensor:
        if bool(is_longer.any()):
            return self.fused(features, is_longer)
        return self.plain(features, is_longer)


def trace(module: torch.nn.Module, *example: torch.Tensor) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Tracer warnings; the parity check is what counts.
        return torch.jit.trace(module, example, check_trace=False)


def trace_audio(module: torch.nn.Module, features: torch.Tensor, is_longer: torch.Tensor):
    none = torch.zeros_like(is_longer)
    plain = trace(module, features[:2], none[:2])
    if not is_longer.any():
        return plain
    return torch.jit.script(Towers(plain, trace(module, features, is_longer)))


def save(module: torch.jit.ScriptModule, path: pathlib.Path) -> None:
    """Saves a module without its debug records, which are large, name folders of this machine, and
    are of use only where the Python sources are."""
    whole = io.BytesIO()
    torch.jit.save(module, whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for record in source.infolist():
            name = record.filename
            if not name.endswith(".debug_pkl"):
                code = "/code/" in name or name.endswith("data.pkl")
                target.writestr(
                    zipfile.ZipInfo(name), source.read(name),
                    zipfile.ZIP_DEFLATED if code else zipfile.ZIP_STORED,
                )


def check(side: str, item: str, eager: torch.Tensor, traced: torch.Tensor) -> None:
    cosine = torch.nn.functional.cosine_similarity(eager, traced, dim=-1).min().item()
    difference = (eager - traced).abs().max().item()
    print(f"{side}, {item}: cosine {cosine:.8f}, largest difference {difference:.1e}")
    if not (cosine >= COSINE and difference <= DIFFERENCE):
        raise SystemExit(f"the traced {side} tower differs from the eager one at {item}; no bundle")


@torch.no_grad()
def write(folder: pathlib.Path, *, name: str, audio: torch.nn.Module, text: torch.nn.Module,
          features: torch.Tensor, is_longer: torch.Tensor, tokens: list[list[int]], pad: int,
          max_tokens: int, front_end: dict, tokenizer: pathlib.Path, made_with: dict,
          device: str = "cpu") -> None:
    """Traces both towers, checks them against the eager ones in batches of one and of all, and
    writes the bundle.

    audio: features f32 [batch, channels, frames, mels], is_longer bool [batch, 1] to unit rows.
    text: ids i64 [batch, tokens], mask i64 [batch, tokens] to unit rows.
    """
    ids, mask = padded(tokens, pad)
    features, is_longer, ids, mask = (x.to(device) for x in (features, is_longer, ids, mask))
    audio, text = audio.to(device).eval(), text.to(device).eval()
    eager_audio = torch.cat([audio(features[i:i + 1], is_longer[i:i + 1]) for i in range(len(features))])
    eager_text = torch.cat([
        text(torch.tensor([row], device=device), torch.ones(1, len(row), dtype=torch.int64, device=device))
        for row in tokens
    ])
    traced_audio = trace_audio(audio, features, is_longer)
    traced_text = trace(text, ids, mask)

    folder.mkdir(parents=True, exist_ok=True)
    save(traced_audio, folder / "audio.pt")
    save(traced_text, folder / "text.pt")
    # What is checked is what was written.
    traced_audio = torch.jit.load(folder / "audio.pt", map_location=device)
    traced_text = torch.jit.load(folder / "text.pt", map_location=device)
    check("audio", "all clips", eager_audio, traced_audio(features, is_longer))
    check("text", "all texts", eager_text, traced_text(ids, mask))
    for i, row in enumerate(tokens):
        length = len(row)
        check("text", f"text {i}", eager_text[i:i + 1], traced_text(ids[i:i + 1, :length], mask[i:i + 1, :length]))
    for i in range(len(features)):
        check("audio", f"clip {i}", eager_audio[i:i + 1], traced_audio(features[i:i + 1], is_longer[i:i + 1]))

    for side, rows in (("clips", eager_audio), ("texts", eager_text)):
        if (rows @ rows.T).min() > 0.999:
            raise SystemExit(f"the model gives all {side} one embedding: a probe would prove nothing")
    probe = dict(features=features, is_longer=is_longer, audio=eager_audio, ids=ids, mask=mask, text=eager_text)
    probe = {key: value.cpu().contiguous() for key, value in probe.items()}
    save_file(probe, folder / "probe.safetensors")
    (folder / "probe.safetensors").chmod(0o644)
    if tokenizer.resolve() != (folder / "tokenizer.json").resolve():
        shutil.copyfile(tokenizer, folder / "tokenizer.json")
    files = ["audio.pt", "text.pt", "tokenizer.json", "probe.safetensors"]
    bundle = {
        "format": FORMAT,
        "name": name,
        "dim": eager_audio.shape[1],
        "front_end": front_end,
        "text": {"max_tokens": max_tokens, "pad_id": pad},
        "sha256": {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files},
        "made_with": {"torch": torch.__version__, **made_with},
    }
    (folder / "bundle.json").write_text(json.dumps(bundle, indent=1) + "\n")
    print(folder, sum(path.stat().st_size for path in folder.iterdir()), "bytes")
