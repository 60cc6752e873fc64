"""Toy CLAP models with random weights, and what transformers' ClapModel makes of them.

Usage: python clap.py                     writes clap_unfused/ and clap_fused/ beside itself
       python clap.py --published FOLDER  the same at published size (1.2 GB), for the test
                                          `published_size_equals_the_reference`

Each directory is a model as Hugging Face lays it out, and golden.safetensors: waveforms,
features, tokens and the reference's embeddings.
"""

import argparse
import json
import pathlib

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

TEXTS = [
    "a dog barks while rain falls on a tin roof",
    "Rain.",
    "an engine starts, idles for a while and dies; then somebody laughs in the distance",
    "a bell rings twice",
]
TOY = dict(
    projection_dim=24,
    audio_config=dict(
        window_size=4, num_mel_bins=64, spec_size=128, patch_embeds_hidden_size=16,
        depths=[2, 2, 2], num_attention_heads=[2, 4, 4], hidden_size=64, num_hidden_layers=3,
    ),
    text_config=dict(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=48, max_position_embeddings=100,
    ),
)
TOY_EXTRACTOR = dict(
    sampling_rate=8000, hop_length=80, fft_window_size=512, max_length_s=2,
    frequency_min=50, frequency_max=3500,
)


def tokenizer() -> Tokenizer:
    """A byte-level BPE in RoBERTa's manner: <s>=0, <pad>=1, </s>=2, <unk>=3."""
    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bpe.train_from_iterator(TEXTS, trainer)
    bpe.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    # What a published file may bring along, and must not matter.
    bpe.enable_truncation(8)
    bpe.enable_padding(length=20, pad_id=1, pad_token="<pad>")
    return bpe


def randomise(model: ClapModel, seed: int) -> None:
    """Weights at which different inputs give different embeddings, of half precision."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in sorted(model.state_dict().items()):
        if not tensor.is_floating_point() or tensor.dim() == 0:
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if "running_var" in name:
            value = 200 * (1 + 0.5 * noise.tanh())
        elif "batch_norm.running_mean" in name:
            value = -20 + 5 * noise
        elif "relative_position_bias" in name:
            value = 0.5 * noise
        elif tensor.dim() == 1:
            value = 0.1 * noise + (1.0 if name.endswith("weight") else 0.0)
        else:
            value = noise * 1.5 / tensor[0].numel() ** 0.5
        tensor.copy_(value.half().float())


def sounds(rate: int, seconds: list[float]) -> list[np.ndarray]:
    generator = np.random.default_rng(7)
    clips = []
    for index, length in enumerate(seconds):
        t = np.arange(round(rate * length)) / rate
        tone = np.sin(2 * np.pi * (150 + 90 * index) * t * (1 + 0.3 * np.sin(2 * np.pi * t)))
        noise = generator.standard_normal(t.size) * np.exp(-((t * (1 + index)) % 1) * 6)
        clips.append((0.3 * tone + 0.2 * noise).astype(np.float32))
    return clips


def write(folder: pathlib.Path, fused: bool, toy: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    settings = {key: dict(value) if isinstance(value, dict) else value for key, value in TOY.items()}
    settings = settings if toy else dict(audio_config={}, text_config={})
    settings["audio_config"]["enable_fusion"] = fused
    model = ClapModel(ClapConfig(**settings)).eval()
    with torch.no_grad():
        randomise(model, 3 if fused else 2)
    if toy:
        model.half().save_pretrained(folder)
        model.float()
    else:
        model.save_pretrained(folder)
    extractor = ClapFeatureExtractor(
        truncation="fusion" if fused else "rand_trunc", padding="repeatpad",
        **(TOY_EXTRACTOR if toy else dict(frequency_min=50, frequency_max=14000)),
    )
    extractor.save_pretrained(folder)
    bpe = tokenizer()
    bpe.save(str(folder / "tokenizer.json"))
    bpe.no_truncation()
    bpe.no_padding()
    ids = [bpe.encode(text).ids for text in TEXTS]

    # Short, filled, exactly as long as the window and, fused, longer ones.
    window = extractor.max_length_s
    lengths = [0.05 * window, 0.5 * window, window] + ([1.7 * window, 3 * window] if fused else [])
    clips = sounds(extractor.sampling_rate, lengths)
    np.random.choice = lambda values: values[(len(values) - 1) // 2]  # ChunkPolicy::Centre
    features, longer = [], []
    for clip in clips:
        one = extractor(clip, sampling_rate=extractor.sampling_rate, return_tensors="pt")
        features.append(one["input_features"][0])
        # One clip alone would be marked as longer by chance.
        longer.append(clip.size > extractor.nb_max_samples)
    features, is_longer = torch.stack(features), torch.tensor(longer)[:, None]
    with torch.no_grad():
        tower = model.audio_model(input_features=features, is_longer=is_longer).pooler_output
        audio = model.get_audio_features(input_features=features, is_longer=is_longer).pooler_output
        text = torch.cat(
            [model.get_text_features(input_ids=torch.tensor([row])).pooler_output for row in ids]
        )
    tensors = {f"waveform_{i}": torch.from_numpy(clip) for i, clip in enumerate(clips)}
    tensors |= dict(is_longer=is_longer, tower=tower, audio=audio, text=text)
    if not toy:
        tensors["features"] = features
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "golden.safetensors")
    (folder / "texts.json").write_text(json.dumps(TEXTS, indent=1) + "\n")
    cosines = (audio @ audio.T)[~torch.eye(len(audio), dtype=bool)]
    print(folder.name, "parameters", sum(p.numel() for p in model.parameters()),
          "cosine between clips", cosines.mean().item(),
          "between texts", (text @ text.T)[~torch.eye(len(text), dtype=bool)].mean().item())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", type=pathlib.Path)
    root = parser.parse_args().published
    torch.manual_seed(0)
    here = pathlib.Path(__file__).parent
    for fused in (False, True):
        name = "clap_fused" if fused else "clap_unfused"
        write((root or here) / name, fused, toy=root is None)
    print("torch", torch.__version__, "transformers", transformers.__version__)


main()
