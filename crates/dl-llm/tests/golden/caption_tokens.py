"""Digests of the tokens that the reference implementations give to all captions of AudioCaps: of
SmolLM2's GGUF vocabulary by transformers, of the SentencePiece models beside this script by
sentencepiece.
Run: python caption_tokens.py <folder of audiocaps_*.csv> <directory with SmolLM2's GGUF file>
Made with transformers 5.23.0, gguf 0.19.0 and sentencepiece 0.2.3."""

import csv
import hashlib
import json
import sys
from pathlib import Path

import sentencepiece
import transformers

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def main() -> None:
    captions = []
    for split in ("test", "train", "val"):
        with open(Path(sys.argv[1]) / f"audiocaps_{split}.csv", newline="", encoding="utf-8") as file:
            captions += [row["caption"] for row in csv.DictReader(file)]
    here = Path(__file__).parent
    smollm2 = transformers.AutoTokenizer.from_pretrained(sys.argv[2], gguf_file=FILE)
    encoders = {"smollm2": lambda text: smollm2(text, add_special_tokens=False).input_ids}
    for name in ("sentencepiece_bpe", "sentencepiece_unigram"):
        model = sentencepiece.SentencePieceProcessor(model_file=str(here / name / "tokenizer.model"))
        encoders[name] = model.encode
    expected = {"captions": len(captions)}
    for name, encode in encoders.items():
        digest, count = hashlib.sha256(), 0
        for caption in captions:
            tokens = encode(caption)
            count += len(tokens)
            digest.update((" ".join(map(str, tokens)) + "\n").encode())
        expected[name] = {"tokens": count, "sha256": digest.hexdigest()}
    (here / "caption_tokens.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
