"""Golden files of SentencePiece: two small models trained on sentences of this script, and the tokens
that the reference implementation gives to texts.
Run: python pieces.py <output directory>
Made with sentencepiece 0.2.3."""

import io
import json
import sys
from pathlib import Path

import sentencepiece

EVENTS = ["a dog barks", "rain falls on a roof", "an engine idles", "a man speaks", "birds are chirping",
          "a train passes by", "water is pouring", "a door slams", "people are laughing", "music plays"]
TEXTS = [
    "a dog barks while rain falls on a roof",
    "  Two   spaces and one at the end ",
    "A DOG, a man; 12 birds!",
    "caf\u00e9 \u65e5\u672c \U0001f600",
    "zzzz qqq",
    "a",
    "\uff21\uff22 \u2460 \ufb01",
]
MODELS = {
    # As Llama's.
    "bpe": {"model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity",
            "remove_extra_whitespaces": False, "vocab_size": 420},
    "unigram": {"model_type": "unigram", "byte_fallback": False, "normalization_rule_name": "nmt_nfkc",
                "remove_extra_whitespaces": True, "vocab_size": 55},
}


def main() -> None:
    out = Path(sys.argv[1])
    sentences = [f"{a} {joint} {b}" for a in EVENTS for b in EVENTS if a != b
                 for joint in ("while", "and then", "as")]
    for name, options in MODELS.items():
        folder = out / f"sentencepiece_{name}"
        folder.mkdir(parents=True, exist_ok=True)
        written = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences), model_writer=written, num_threads=1, minloglevel=2, **options)
        (folder / "tokenizer.model").write_bytes(written.getvalue())
        tokenizer = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
        texts = [{"text": text, "tokens": tokenizer.encode(text), "decoded": tokenizer.decode(tokenizer.encode(text))}
                 for text in TEXTS]
        (folder / "expected.json").write_text(json.dumps(texts, indent=1) + "\n")
        print(name, tokenizer.vocab_size(), [len(text["tokens"]) for text in texts])


if __name__ == "__main__":
    main()
