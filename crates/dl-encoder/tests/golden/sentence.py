"""A toy sentence encoder and a toy fluency classifier, and what the reference packages make of them.

usage: python sentence.py OUT
Writes under OUT:
  sentence_bert/   a directory laid out as paraphrase-TinyBERT-L6-v2 is published, with both forms of
                   the weights and both forms of the tokenizer (random weights, its own word list)
  fluency_toy/     a checkpoint as FENSE's are published (model_type, num_classes, state_dict), with
                   config.json and vocab.txt of its encoder
  sentence.json    texts, and for each: the embedding by sentence-transformers, the text as aac-metrics'
                   `fer` hands it to the tokenizer and its error probability, and tokens under
                   tokenizers that lower-case and that keep case; clips, and aac-metrics' FENSE of them
Needs torch, transformers, sentence-transformers and aac-metrics; prints their versions.
"""

import json
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch
from aac_metrics.functional.fense import fense
from aac_metrics.functional.fer import BERTFlatClassifier, fer
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from transformers import AutoTokenizer, BertConfig, BertModel, BertTokenizer

WORDS = (
    "[PAD] [unused0] [UNK] [CLS] [SEP] [MASK] ! ' , . : ; ? - a b c d e f g h i n o r s t u w y z \u6c34 \u00e9 ##a ##b ##e ##f "
    "##g ##h ##i ##k ##l ##m ##n ##o ##p ##r ##s ##t ##u ##y ##\u00e9 dog bark ##ing rain fall on roof the "
    "man speak and engine start bird chirp in dist ##ance cafe caf clock while twice bell ring tower A Dog 1 ##2 "
    "\u093f ##\u0930 \u0939 ##\u0928"
).split()

TEXTS = [
    "A dog barks twice while rain falls on the roof.",
    "a dog barks twice while rain falls on the roof",
    "Rain",
    "the man speaks and and and engine the the",
    "A man speaks, then an engine starts; birds chirp in the distance!",
    "",
    " \t ",
    "Caf\u00e9 cafe\u0301: na\u00efve clock (12 o'clock)",
    "\u6c34 drips on roof \U0001f415 \u2014 \u00bd \u24b6 \u2461",
    "\u0939\u093f\u0928\u094d\u0926\u0940 rain_fall don't-stop",
    "x\u0301 \u0939\u093f \u24b6\u2461\u00bd\u2167 \u02b0\u00aa_\u203f \u1c80\u0130 a\u00ad\u200db\u2014 c\u00a0d\x1ce\x85f\u3000g\ufffdh\x00i \u56db",
    "the [SEP] bell [MASK] rings [sep]",
    "DOG\u0130 \u039f\u0394\u039f\u03a3 BARKS \x1cin the\x00 tower\u2028rain",
    " ".join(["the bell rings in the tower and birds chirp"] * 12),
]

CLIPS = [
    ("A dog barks twice, then a bell rings", ["The dog is barking", "Two barks and a bell!"]),
    ("rain", ["Rain falls on the roof", "It's raining", "a rain while the bell rings"]),
    ("A man speaks and the", ["A man speaks; birds chirp."]),
    ("", ["the engine starts in the distance"]),
    ("caf\u00e9 clock", ["Clock in a caf\u00e9", "bells"]),
    (TEXTS[-1], ["A bell rings"]),
    ("An engine starts", ["An engine starts"]),
    ("THE BIRD CHIRPS (twice) -- and the dog", ["a bird chirps while the dog barks", "Birds"]),
]

SIZES = dict(
    vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24,
    max_position_embeddings=70, type_vocab_size=2, hidden_act="gelu", pad_token_id=0,
)
LEGACY = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def write_dense(path, golden):
    """One line for each text."""
    rows = lambda values: ",\n  ".join(json.dumps(value, ensure_ascii=False) for value in values)
    keys = (f' "{key}": [\n  {rows(values)}\n ]' for key, values in golden.items())
    path.write_text("{\n" + ",\n".join(keys) + "\n}\n")


def randomise(model):
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, std=0.2 if name.endswith("bias") or "LayerNorm" in name else 0.6)
        if name.endswith("LayerNorm.weight"):
            parameter.data += 1
    return model.eval()


def encoder_directory(folder):
    bert = randomise(BertModel(BertConfig(**SIZES)))
    state = {name: tensor.clone() for name, tensor in bert.state_dict().items()}
    # Published files of that age carry this buffer.
    state["embeddings.position_ids"] = torch.arange(SIZES["max_position_embeddings"]).unsqueeze(0)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    torch.save(state, folder / "pytorch_model.bin")
    write(folder / "config.json", {"architectures": ["BertModel"], "model_type": "bert", "layer_norm_eps": 1e-12,
                                   "hidden_dropout_prob": 0.1, "position_embedding_type": "absolute"} | SIZES)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    write(folder / "tokenizer_config.json", {"do_lower_case": True, "tokenizer_class": "BertTokenizer",
                                             "model_max_length": 512})
    tokenizer = BertTokenizer({word: i for i, word in enumerate(WORDS)})
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    write(folder / "sentence_bert_config.json", {"max_seq_length": 24, "do_lower_case": False})
    write(folder / "1_Pooling/config.json", {"word_embedding_dimension": SIZES["hidden_size"]}
          | {f"pooling_mode_{mode}": mode == "mean_tokens" for mode in LEGACY})
    write(folder / "modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ])


def classifier_directory(folder, bert_folder):
    clf = randomise(BERTFlatClassifier(str(bert_folder), num_classes=6))
    # So that probabilities lie on both sides of 0.9.
    clf.clf.weight.data *= 2
    clf.clf.bias.data -= 4
    state = dict(clf.state_dict())
    state["encoder.embeddings.position_ids"] = torch.arange(SIZES["max_position_embeddings"]).unsqueeze(0)
    torch.save({"model_type": "toy-bert", "num_classes": 6, "state_dict": state}, folder / "fluency_toy.ckpt")
    shutil.copy(bert_folder / "vocab.txt", folder / "vocab.txt")
    # All that prajjwal1/bert-tiny says.
    write(folder / "config.json", {key: value for key, value in SIZES.items() if key != "pad_token_id"})
    return clf


def main(out):
    torch.manual_seed(5)
    bert_folder, fluency_folder = Path(out) / "sentence_bert", Path(out) / "fluency_toy"
    for folder in [bert_folder, fluency_folder]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    encoder_directory(bert_folder)
    sbert = SentenceTransformer(str(bert_folder), device="cpu")
    embeddings = sbert.encode(TEXTS, convert_to_numpy=True, normalize_embeddings=True)

    clf = classifier_directory(fluency_folder, bert_folder)
    with tempfile.TemporaryDirectory() as plain:
        for name in ["config.json", "vocab.txt"]:
            shutil.copy(bert_folder / name, plain)
        tokenizer = AutoTokenizer.from_pretrained(plain)
        lowered = [tokenizer(text)["input_ids"] for text in TEXTS]
        write(Path(plain) / "tokenizer_config.json", {"do_lower_case": False})
        cased = [AutoTokenizer.from_pretrained(plain)(text)["input_ids"] for text in TEXTS]
        corpus, each = fer(TEXTS, echecker=clf, echecker_tokenizer=tokenizer, device="cpu", return_probs=True)
        candidates, references = [c for c, _ in CLIPS], [r for _, r in CLIPS]
        whole, items = fense(candidates, references, sbert_model=sbert, echecker=clf, echecker_tokenizer=tokenizer,
                             device="cpu")
    probabilities = each["fluency_error.error_prob"].tolist()
    columns = {"sbert": "sbert_sim", "fense": "fense", "fluency_error": "fer"}
    write_dense(Path(out) / "sentence.json", {
        "texts": TEXTS, "embeddings": [[float(f"{x:.9g}") for x in row] for row in embeddings.tolist()],
        "error_probabilities": probabilities,
        "plain": vars(sys.modules[fer.__module__])["__text_preprocess"](TEXTS), "lowered": lowered, "cased": cased,
        "clips": [{"candidate": candidate, "references": own, **{key: items[name][i].item() for key, name in columns.items()}}
                  for i, (candidate, own) in enumerate(CLIPS)],
        "corpus": [{key: whole[name].item() for key, name in columns.items()}],
    })
    print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in
          ["torch", "transformers", "sentence-transformers", "aac-metrics"]))
    print("cut at", sbert.max_seq_length, "flagged", corpus["fer"].item(), [round(p, 4) for p in probabilities])


if __name__ == "__main__":
    main(sys.argv[1])
