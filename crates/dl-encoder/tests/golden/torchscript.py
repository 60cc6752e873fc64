"""A toy CLAP with fusion and random weights as a TorchScript bundle, and what the eager model
makes of clips and texts that are not in its probe.

Usage: python torchscript.py     writes torchscript_bundle/, torchscript.safetensors and
                                 torchscript.json beside itself

Runs clap.py's tokenizer and the export script that users run (export/hugging_face_clap.py).
"""

import json
import pathlib
import sys
import tempfile

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

HERE = pathlib.Path(__file__).parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parents[1] / "export"))

import bundle  # noqa: E402
import hugging_face_clap as export  # noqa: E402

TOY = dict(
    projection_dim=12,
    audio_config=dict(
        window_size=4, num_mel_bins=64, spec_size=128, patch_embeds_hidden_size=8,
        depths=[2, 1], num_attention_heads=[2, 4], hidden_size=16, num_hidden_layers=2,
        enable_fusion=True,
    ),
    text_config=dict(
        vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=60,
    ),
)
EXTRACTOR = dict(
    sampling_rate=4000, hop_length=200, fft_window_size=512, max_length_s=1,
    frequency_min=50, frequency_max=1900, truncation="fusion", padding="repeatpad",
)
TEXTS = [
    "waves break on a shore",
    "a man speaks over a radio, then static, then nothing at all",
    "Birds",
]


def randomise(model: ClapModel) -> None:
    """Weights at which different inputs give different embeddings."""
    generator = torch.Generator().manual_seed(5)
    for name, tensor in sorted(model.state_dict().items()):
        if not tensor.is_floating_point() or tensor.dim() == 0:
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if "running_var" in name:
            value = 200 * (1 + 0.5 * noise.tanh())
        elif "batch_norm.running_mean" in name:
            value = -20 + 5 * noise
        elif tensor.dim() == 1:
            value = 0.1 * noise + (1.0 if name.endswith("weight") else 0.0)
        else:
            value = noise * 1.5 / tensor[0].numel() ** 0.5
        tensor.copy_(value)


def main() -> None:
    torch.manual_seed(0)
    model = ClapModel(ClapConfig(**TOY)).eval()
    extractor = ClapFeatureExtractor(**EXTRACTOR)
    tokenizer = Tokenizer.from_file(str(HERE / "clap_fused" / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    with torch.no_grad():
        randomise(model)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "toy-clap"
        model.save_pretrained(source)
        extractor.save_pretrained(source)
        tokenizer.save(str(source / "tokenizer.json"))
        export.export(source, HERE / "torchscript_bundle", int16=False, device="cpu")

    clips = bundle.sounds(extractor.sampling_rate, [0.06, 0.6, 1.0, 2.2], seed=23)
    features, is_longer = export.hear(extractor, clips)
    audio, text = export.Audio(model).eval(), export.Text(model).eval()
    with torch.no_grad():
        expected = dict(
            audio=audio(features, is_longer),
            text=torch.cat([
                text(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.int64))
                for ids in (tokenizer.encode(one).ids for one in TEXTS)
            ]),
        )
    tensors = {f"waveform_{i}": torch.from_numpy(clip) for i, clip in enumerate(clips)} | expected
    path = HERE / "torchscript.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    path.chmod(0o644)
    (HERE / "torchscript.json").write_text(json.dumps(TEXTS, indent=1) + "\n")
    for rows in expected.values():
        print("cosines", np.round((rows @ rows.T).numpy(), 3).tolist())
    print("torch", torch.__version__, "transformers", transformers.__version__)


if __name__ == "__main__":
    main()
