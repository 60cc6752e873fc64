"""A tiny sentence encoder, a tiny classifier of fluency errors, and what aac-metrics makes of both.

usage: python fense.py OUT
Writes OUT/sentences (a sentence-transformers directory), OUT/fluency (checkpoint, config.json and
tokenizer.json) and OUT/scores.json. Weights are random, from seeds; no published weights are used.
Made with aac-metrics 0.6.0, sentence-transformers 6.2.0, transformers 5.23.0, torch 2.11.0, Python 3.11.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from aac_metrics.functional.fense import fense
from aac_metrics.functional.fer import BERTFlatClassifier
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, Transformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

CLIPS = [
    ("A dog barks twice, then a bell rings", ["A dog is barking", "Two barks and a bell!"]),
    ("rain", ["Rain falls on a roof", "It's raining", "heavy rain"]),
    ("A man speaks and a", ["A man speaks; birds chirp."]),
    ("", ["Someone hums quietly"]),
    ("Çà et là, une église sonne", ["A church bell rings", "bells"]),
    (" ".join(["a bell rings in the tower"] * 20), ["A bell rings"]),
    ("An engine idles", ["An engine idles"]),
    ("THE CROWD CHEERS (loudly) -- and claps", ["a crowd cheers and claps", "People clap"]),
]
WORDS = """a dog barks bark barking twice then bell bells rings and two rain falls on roof it s is raining heavy
man speaks bird chirp someone hum quiet church an engine idle the crowd cheer cheers clap claps people in tower
loudly ##s ##ing ##ly ##ed , . ! ; ( ) ' - c a e b d f g h i j k l m n o p q r s t u v w x y z ##a ##b ##c ##d ##e
##f ##g ##h ##i ##j ##k ##l ##m ##n ##o ##p ##q ##r ##t ##u ##v ##w ##x ##y ##z""".split()


def tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {}
    for token in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]:
        vocabulary.setdefault(token, len(vocabulary))
    fast = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    fast.normalizer = normalizers.BertNormalizer(lowercase=True)
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    kept = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=fast, model_input_names=kept, **names)


def bert(seed: int, folder: Path) -> None:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer()), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, initializer_range=0.5,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)


def main(out: str) -> None:
    sentences, fluency = Path(out) / "sentences", Path(out) / "fluency"
    with tempfile.TemporaryDirectory() as name:
        plain = Path(name) / "bert"
        bert(1, plain)
        transformer = Transformer(str(plain), max_seq_length=48)
        encoder = SentenceTransformer(modules=[transformer, Pooling(16, "mean")], device="cpu")
        whole = Path(name) / "whole"
        encoder.save(str(whole))
        (sentences / "1_Pooling").mkdir(parents=True, exist_ok=True)
        for file in ("config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json"):
            shutil.copy(whole / file, sentences / file)
        # As the published encoders have it.
        (sentences / "sentence_bert_config.json").write_text('{"max_seq_length": 48, "do_lower_case": false}\n')

        bert(2, plain)
        torch.manual_seed(7)
        checker = BERTFlatClassifier(str(plain), num_classes=6).eval()
        torch.nn.init.normal_(checker.clf.weight, std=1.0)
        checker.clf.bias.data[-1] = 1.2  # some captions above the threshold, some below
        fluency.mkdir(exist_ok=True)
        state = checker.state_dict()
        state["encoder.embeddings.position_ids"] = torch.arange(64).unsqueeze(0)
        kept = {"model_type": "tiny", "num_classes": 6, "state_dict": state}
        torch.save(kept, fluency / "tiny.ckpt")
        for file in ("config.json", "tokenizer.json"):
            shutil.copy(plain / file, fluency / file)
        candidates, references = [c for c, _ in CLIPS], [r for _, r in CLIPS]
        corpus, items = fense(
            candidates, references, sbert_model=encoder, echecker=checker,
            echecker_tokenizer=tokenizer(), device="cpu", return_probs=True,
        )
    names = {"sbert": "sbert_sim", "fense": "fense", "fluency_error": "fer", "probability": "fluency_error.error_prob"}
    scores = {
        "candidates": candidates,
        "references": references,
        "items": {key: [float(x) for x in items[name]] for key, name in names.items()},
        "corpus": {key: float(corpus[name]) for key, name in names.items()},
    }
    (Path(out) / "scores.json").write_text(json.dumps(scores, ensure_ascii=False, indent=1) + "\n")
    print(scores["items"])


if __name__ == "__main__":
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    main(sys.argv[1])
