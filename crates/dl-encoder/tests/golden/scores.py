"""What aac-metrics makes of toy models: BERTScore, CLAP similarity and MACE.

usage: python scores.py        (after sentence.py and clap.py, whose models it takes)
Writes beside itself:
  roberta_toy/   a RoBERTa with the head of its training, as roberta-large is published
                 (random weights, a byte-level BPE of 300 tokens)
  scores/        scores.json: clips, and for each aac-metrics' figures; recordings as WAV
The functions of aac-metrics run as they are; msclap, which needs a download, is replaced by an
object that embeds with transformers' ClapModel. Inner layers are torchmetrics' own `num_layers`.
Needs torch, transformers, aac-metrics, torchmetrics; prints their versions.
"""

import json
import sys
import types
import wave
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import (AutoModel, AutoTokenizer, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerFast,
                          RobertaConfig, RobertaForMaskedLM)

HERE = Path(__file__).parent
RATE = 8000
CLIPS = [
    ("a dog barks", ["A dog barks while rain falls.", "the dog is barking"]),
    ("Rain falls on the roof", ["rain", "It rains on a tin roof and a man speaks", "a bell rings"]),
    ("the the the man speaks and and", ["a man speaks", "An engine starts, idles and dies"]),
    ("", ["birds chirp"]),
    ("A bell rings twice in the tower", ["A bell rings twice in the tower"]),
]


class FakeMsclap:
    """The two calls that aac-metrics makes, by another CLAP."""

    def __init__(self, *_, **__):
        self.model = ClapModel.from_pretrained(HERE / "clap_unfused", dtype=torch.float32).eval()
        self.extractor = ClapFeatureExtractor.from_pretrained(HERE / "clap_unfused")
        self.tokenizer = Tokenizer.from_file(str(HERE / "clap_unfused/tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def get_text_embeddings(self, texts):
        rows = [torch.tensor([self.tokenizer.encode(text).ids]) for text in texts]
        return torch.cat([self.model.get_text_features(input_ids=row).pooler_output for row in rows])

    def get_audio_embeddings(self, paths):
        rows = []
        for path in paths:
            with wave.open(path) as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
            one = self.extractor(samples.astype(np.float32), sampling_rate=RATE, return_tensors="pt")
            # One clip alone would be marked as longer by chance.
            one["is_longer"] = torch.tensor([[False]])
            rows.append(self.model.get_audio_features(**one).pooler_output)
        return torch.cat(rows)


msclap = types.ModuleType("msclap")
msclap.CLAP = FakeMsclap
sys.modules["msclap"] = msclap

from aac_metrics.functional.bert_score_mrefs import bert_score_mrefs  # noqa: E402
from aac_metrics.functional.clap_sim import clap_sim  # noqa: E402
from aac_metrics.functional.fer import BERTFlatClassifier  # noqa: E402
from aac_metrics.functional.mace import mace  # noqa: E402
from torchmetrics.functional.text.bert import bert_score  # noqa: E402


def roberta():
    folder = HERE / "roberta_toy"
    folder.mkdir(exist_ok=True)
    config = RobertaConfig(vocab_size=300, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
                           intermediate_size=24, max_position_embeddings=70, type_vocab_size=1)
    model = RobertaForMaskedLM(config).eval()
    for name, parameter in model.named_parameters():
        deviation = 0.2 if name.endswith("bias") or "LayerNorm" in name or "layer_norm" in name else 0.6
        torch.nn.init.normal_(parameter, std=deviation)
        if "orm.weight" in name:
            parameter.data += 1
    model.save_pretrained(folder)
    whole = Tokenizer.from_file(str(HERE / "clap_unfused/tokenizer.json"))
    whole.no_truncation()
    whole.no_padding()
    whole.save(str(folder / "tokenizer.json"))


def recordings():
    folder = HERE / "scores"
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(3)
    paths = []
    for index in range(len(CLIPS)):
        t = np.arange(int(RATE * (0.25 + 0.2 * index))) / RATE
        sound = 0.4 * np.sin(2 * np.pi * (120 + 170 * index) * t) + 0.1 * generator.standard_normal(t.size)
        paths.append(str(folder / f"{index}.wav"))
        with wave.open(paths[-1], "wb") as file:
            file.setnchannels(1), file.setsampwidth(2), file.setframerate(RATE)
            file.writeframes((sound.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return paths


def fluency():
    checkpoint = torch.load(HERE / "fluency_toy/fluency_toy.ckpt", weights_only=False)
    clf = BERTFlatClassifier(str(HERE / "sentence_bert"), num_classes=checkpoint["num_classes"])
    state = {k: v for k, v in checkpoint["state_dict"].items() if not k.endswith("position_ids")}
    print("classifier:", clf.load_state_dict(state))
    return clf.eval()


def main():
    torch.manual_seed(11)
    roberta()
    paths = recordings()
    candidates, references = [c for c, _ in CLIPS], [r for _, r in CLIPS]
    figures = {}
    for name in ["sentence_bert", "roberta_toy"]:
        model = AutoModel.from_pretrained(HERE / name).eval()
        file = str(HERE / name / "tokenizer.json")
        ends = ("[PAD]", "[UNK]") if name == "sentence_bert" else ("<pad>", "<unk>")
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=file, pad_token=ends[0], unk_token=ends[1])
        # Clip by clip: of several clips at once torchmetrics 1.9.0 sorts captions by length and does not
        # find back, so that a caption equal to its only reference gets less than 1. A single pair makes
        # aac-metrics fail: a reference that stands alone is given twice, which changes no maximum.
        alone = [bert_score_mrefs([candidate], [own if len(own) > 1 else own * 2], model=model, tokenizer=tokenizer, device="cpu")[1]
                 for candidate, own in CLIPS]
        figures |= {f"{name} {key.split('.')[1]}": [each[key].item() for each in alone] for key in alone[0]}
        _, together = bert_score_mrefs(candidates, references, model=model, tokenizer=tokenizer, device="cpu")
        print("the last clip, together and alone:", together["bert_score.f1"][-1].item(), alone[-1]["bert_score.f1"].item())
        inner = {key: [] for key in ["f1", "precision", "recall"]}
        for candidate, own in CLIPS:
            found = bert_score([candidate] * len(own), own, model=model, user_tokenizer=tokenizer, num_layers=1,
                               max_length=64, device="cpu")
            for key, best in inner.items():
                values = torch.as_tensor(found[key]).reshape(-1)
                best.append(values.max().nan_to_num(0.0).item())
        figures |= {f"{name} layer 1 {key}": values for key, values in inner.items()}
    clap, echecker = FakeMsclap(), fluency()
    settings = dict(candidates=candidates, mult_references=references, audio_paths=paths, clap_model=clap, device="cpu")
    for key, method in [("clap_sim", "text"), ("clap_sim_audio", "audio")]:
        figures[key] = clap_sim(clap_method=method, **settings)[1]["clap_sim"].tolist()
    tokenizer = AutoTokenizer.from_pretrained(HERE / "sentence_bert")
    # aac-metrics gives no MACE for each item: clip by clip.
    for key, method in [("mace", "combined"), ("mace_text", "text"), ("mace_audio", "audio")]:
        figures[key], figures["fer"], probabilities = [], [], []
        for (candidate, own), path in zip(CLIPS, paths):
            one = dict(candidates=[candidate], mult_references=[own], audio_paths=[path], clap_model=clap, device="cpu")
            corpus, each = mace(mace_method=method, echecker=echecker, echecker_tokenizer=tokenizer, return_probs=True,
                                **one)
            figures[key].append(corpus["mace"].item())
            figures["fer"].append(corpus["fer"].item())
            probabilities.append(each["fluency_error.error_prob"].item())
    clips = [{"candidate": candidate, "references": own, **{key: values[i] for key, values in figures.items()}}
             for i, (candidate, own) in enumerate(CLIPS)]
    lines = ",\n ".join(json.dumps(clip) for clip in clips)
    (HERE / "scores/scores.json").write_text(f"[\n {lines}\n]\n")
    print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in
          ["torch", "transformers", "aac-metrics", "torchmetrics"]))
    print("errors", probabilities, {key: [round(v, 3) for v in values] for key, values in figures.items()})


if __name__ == "__main__":
    main()
