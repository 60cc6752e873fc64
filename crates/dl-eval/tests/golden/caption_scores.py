"""Golden tokens and scores from pycocoevalcap (Java PTB tokenizer, BLEU, ROUGE-L, CIDEr-D).

usage: python caption_scores.py caption_scores.json

Captions are written for this test. Nothing is random.
Made with pycocoevalcap 1.2, Python 3.11, Java 17.
"""

import json
import sys

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

SETS = [
    ("A kettle whistles, then a lid rattles.", ["A kettle is whistling on a stove", "Steam hisses; a kettle whistles!"]),
    ("a dog barks and a dog barks", ["A dog's bark (far away) echoes", "The dog doesn't stop barking", "a dog barks"]),
    ("Rain", ["Heavy rain falls on a tin roof", "It's raining"]),
    ("Three bells ring at 5:30 and 1,000 birds sing.", ["Bells ring while birds sing", "Bells are ringing -- birds sing"]),
    ("", ["Someone hums quietly", "a person hums"]),
    ("Wood is sawn with a high-pitched saw", ["Wood is sawn with a high-pitched saw"]),
    ("A voice over a p.a. system?! Music.then a bang", ["Music plays.A voice speaks over a P.A.", "what ! ! a bang ?"]),
    ("glass breaks", ["An engine idles... it can't start!!!", "An engine [idling] and/or sputtering"]),
    ("they're clapping, we'll clap, I'd clap & you cannot", ["They are clapping", "we've been clapping {loud} I'm clapping"]),
    ("Pour 1 1/2 cups, then \u00bd more", ["She pours 1 1/2 cups of water", "pouring 2-1/2 cups of water"]),
    ("Call (555) 123-4567 at 5 p.m. He answers", ["A phone rings, (555) 123-4567 is called", "U.S. phones ring at 5 p.m."]),
    ("!", ["...", "a dog barks"]),
    ("Mr. Smith's caf\u00e9 plays rock 'n' roll from the '90s :)", ["At Mr. Smith's caf\u00e9 they can't play #1 hits", "<b>Loud</b> rock 'n' roll, $5 a song"]),
    ("A sign with the letter K.", ["A letter K. The sign", "The letter K. on a sign."]),
    ("A brown dog howls", ["The brown dog is howling"]),
    ("the wind blows the wind blows the wind blows", ["The wind blows through the \u201cold\u201d trees", "the wind blows"]),
]

gts = PTBTokenizer().tokenize({i: [{"caption": c} for c in r] for i, (_, r) in enumerate(SETS)})
res = PTBTokenizer().tokenize({i: [{"caption": c}] for i, (c, _) in enumerate(SETS)})
bleu, bleu_items = Bleu(4).compute_score(gts, res, verbose=0)
rouge, rouge_items = Rouge().compute_score(gts, res)
cider, cider_items = Cider().compute_score(gts, res)
items = [
    {
        "candidate": candidate,
        "references": references,
        "candidate_tokens": res[i][0].split(),
        "reference_tokens": [text.split() for text in gts[i]],
        "bleu": [float(by_n[i]) for by_n in bleu_items],
        "rouge_l": float(rouge_items[i]),
        "cider_d": float(cider_items[i]),
    }
    for i, (candidate, references) in enumerate(SETS)
]
corpus = {"bleu": [float(b) for b in bleu], "rouge_l": float(rouge), "cider_d": float(cider)}
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump({"items": items, "corpus": corpus}, file, indent=1)
