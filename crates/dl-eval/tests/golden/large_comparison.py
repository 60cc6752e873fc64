"""Repeats the large comparison with pycocoevalcap 1.2 (and its Java tokenizer) for whoever
has the data. Nothing that it writes belongs in the repository.

    pip install --no-deps pycocoevalcap==1.2 && pip install numpy
    python large_comparison.py OUT audiocaps_train.csv audiocaps_val.csv audiocaps_test.csv \
        captions.jsonl captions_train2014.json spice-1.0.jar
    DL_EVAL_LARGE=OUT cargo test -p dl-eval -- --nocapture the_rules_accept reference_tools

Inputs, told apart by their endings:
  .csv    AudioCaps' own layout (columns youtube_id, start_time, caption)
  .jsonl  one object a line with "candidate" and "references"
  .json   COCO's annotations
  .jar    COCO's annotations inside the SPICE jar that pycocoevalcap ships
and always 40,000 random captions made of fragments that are hard to tokenise (seed 0),
and the tables of the tokenizer's automaton, with which the rules are compared.

Of every input all captions are tokenised as one file. Scores are computed for .jsonl as
given, and for .csv with five captions a clip in five sets: the first caption of every
clip against the other four, then the second, and so on. Of other captions (COCO, AudioCaps
with one caption a clip, the random ones) every fourth makes a set with the three after it:
its first four words and the first of the others from its third word on against those three.
"""

import csv
import json
import random
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer import ptbtokenizer
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

FRAGMENTS = """a the The dog barks Man speaking ENGINE U.S. U.K. Mr. Mrs. Dr. St. Ave. etc. e.g. i.e.
p.m. vs. No. Fig. Inc. Co. Ltd. Ph.D. Jan. Mon. Wash. wash. La. Mass. mass. pty. ltd co. art. pp. bldg.
C. I. a.k.a. It This Their don't can't cannot gonna gotta wanna lemme 'twas 'tis they've we'll I'm I'd he's dogs'
o'clock 'n' 'em '90s 'til y'all C'mon ma'am O'Malley d'Avignon qu'il don’t it’s ‘yo’ “hi” „x“ «y» ‹z› don`t
n't 's N'T li'l cont'd. O’O somethin' 3.5 1,000 12:55 5:30pm 50% 50km/h 10dB 3/4 1 1/2 2-1/2 1⁄2 ½ ⅓ ⅔ x² 10⁻³
H₂O -5 +3.2 2010-11-12 1/2/99 555-1234 (555) 123-4567 +1 555 123 4567 555.123.4567 $5 US$5 £5 €6 5¢ #1 #tag
@home $ 1990s 99's .5 5. 1..2 ٣ 5th 24/7 http://x.org/a https://www.foo.com/a?b=c foo.com foo@bar.com
<foo@bar.com> foo.png song.wav c++ C# AT&T B&amp;B &amp; &lt; &quot;x&quot; dog&apos;s &nbsp; &mdash; &#39;
caf&eacute; S&P-500 -LRB- Cap'n c'est :) :-) ;) :D <3 ^_^ (-_-) x_x <b> </b> <br/> < > << ( ) [beep] {hum}
... .... ...... . . . .. … - -- --- ---- ----- – — high-pitched x--y and/or he/she's w/ \\ \\* ** a*b ~ ^ | % &
+ = _ hello_world ` `` '' ' " "quoted" 'quoted' !!! ?! barks.a barks.A x!y , ; : 、 ¿que? café naïve ß İs привет
犬 猫が鳴く שלום नमस्ते ไทย 한국어 😀 👍🏽 🇩🇪 ﬁ Ａｂ ™ ° 50°C × † • ♪ sound\u00ading \u200b \u2009 \u3000 \u00a0 \ufeff
\u0080 \u0091x\u0092 \u0093q\u0094 \u0000 \u0001 \u007f \ufffd Ⅳ Ⓐ etc.) i.e., Mr., who'd've ''' 'N’T ’90s ’em""".split()
# Python would take some of these for white space and split them away.
FRAGMENTS += ["1 1/2", "(555) 123-4567", ". . .", "\u3000", "\u00a0", "\u2009", "<a href=\"x y\">", "\t"]
GLUE = [" "] * 12 + ["", "", ". ", ", ", "  ", " - ", "; ", "! ", "? ", '."', "' ", '" ', "/", "-", ".", "'"]


def hard_captions():
    source = random.Random(0)
    for _ in range(40_000):
        parts = [source.choice(FRAGMENTS) + source.choice(GLUE) for _ in range(source.randint(1, 8))]
        text = "".join(parts)
        yield text.upper() if source.random() < 0.2 else text


def coco(file):
    return [entry["caption"] for entry in json.load(file)["annotations"]]


def mixed(captions):
    """Sets of four captions that follow each other, so that some words match and some do not."""
    groups = [captions[i : i + 4] for i in range(0, len(captions) - 3, 4)]
    candidates = [" ".join(g[0].split(" ")[:4] + g[1].split(" ")[2:]) for g in groups]
    return candidates, [g[1:] for g in groups]


def read(path):
    """All captions, and sets of (candidates, references) to score."""
    if path.suffix == ".csv":
        clips = {}
        with open(path, encoding="utf-8") as file:
            for row in csv.DictReader(file):
                clips.setdefault((row["youtube_id"], row["start_time"]), []).append(row["caption"])
        five = [captions for captions in clips.values() if len(captions) == 5]
        sets = [([c[i] for c in five], [c[:i] + c[i + 1 :] for c in five]) for i in range(5)]
        captions = [c for captions in clips.values() for c in captions]
        return captions, sets if five else [mixed(captions)]
    if path.suffix == ".jsonl":
        with open(path, encoding="utf-8") as file:
            entries = [json.loads(line) for line in file]
        scored = ([e["candidate"] for e in entries], [e["references"] for e in entries])
        return [c for e in entries for c in [e["candidate"], *e["references"]]], [scored]
    if path.suffix == ".jar":
        with zipfile.ZipFile(path) as jar:
            names = [n for n in jar.namelist() if n.startswith("coco/") and n.endswith(".json")]
            captions = [caption for name in sorted(names) for caption in coco(jar.open(name))]
    else:
        with open(path, encoding="utf-8") as file:
            captions = coco(file)
    return captions, [mixed(captions)]


def tokenise(captions):
    tokens = PTBTokenizer().tokenize({i: [{"caption": c}] for i, c in enumerate(captions)})
    return [tokens[i][0] for i in range(len(captions))]


def score(candidates, references):
    gts = PTBTokenizer().tokenize({i: [{"caption": c} for c in r] for i, r in enumerate(references)})
    res = PTBTokenizer().tokenize({i: [{"caption": c}] for i, c in enumerate(candidates)})
    bleu, bleu_items = Bleu(4).compute_score(gts, res, verbose=0)
    rouge, rouge_items = Rouge().compute_score(gts, res)
    cider, cider_items = Cider().compute_score(gts, res)
    meteor, meteor_items = Meteor().compute_score(gts, res)
    return {
        "candidates": candidates,
        "references": references,
        "bleu": [float(b) for b in bleu],
        "bleu_items": [[float(b) for b in item] for item in zip(*bleu_items)],
        "rouge_l": float(rouge),
        "rouge_l_items": [float(r) for r in rouge_items],
        "cider_d": float(cider),
        "cider_d_items": [float(c) for c in cider_items],
        "meteor": float(meteor),
        "meteor_items": [float(m) for m in meteor_items],
    }


def write(out, name, captions, sets):
    tokens = tokenise(captions)
    with open(out / f"{name}.tokens.json", "w", encoding="utf-8") as file:
        json.dump({"captions": captions, "tokens": tokens}, file)
    for index, (candidates, references) in enumerate(sets):
        with open(out / f"{name}.{index}.scores.json", "w", encoding="utf-8") as file:
            json.dump(score(candidates, references), file)


TABLES = """
import java.lang.reflect.*;
class Tables {
    static Object of(Class<?> c, String name) throws Exception {
        Field field = c.getDeclaredField(name);
        field.setAccessible(true);
        return field.get(null);
    }
    public static void main(String[] arguments) throws Exception {
        Class<?> c = Class.forName("edu.stanford.nlp.process.PTBLexer");
        String[] names = {"CMAP", "ROWMAP", "TRANS", "ATTRIBUTE", "ACTION"};
        String[] keys = {"classes", "rows", "next", "attributes", "actions"};
        int state = (Integer) of(c, "YyTraditionalTreebank3");
        System.out.print("{\\"start\\":" + ((int[]) of(c, "ZZ_LEXSTATE"))[state]);
        for (int i = 0; i < 5; i++) {
            Object table = of(c, "ZZ_" + names[i]);
            System.out.print(",\\"" + keys[i] + "\\":[");
            for (int j = 0; j < Array.getLength(table); j++)
                System.out.print((j > 0 ? "," : "") + ((Number) (table instanceof char[]
                    ? (int) Array.getChar(table, j) : Array.getInt(table, j))));
            System.out.print("]");
        }
        System.out.println("}");
    }
}
"""


def tables():
    """The tokenizer's own automaton, read out of the jar."""
    jar = Path(ptbtokenizer.__file__).parent / "stanford-corenlp-3.4.1.jar"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Tables.java"
        source.write_text(TABLES, encoding="utf-8")
        return subprocess.run(["java", "-cp", jar, source], check=True, capture_output=True).stdout


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for path in map(Path, sys.argv[2:]):
        write(out, path.name, *read(path))
    (out / "ptb_tables.json").write_bytes(tables())
    hard = list(hard_captions())
    write(out, "hard", hard, [mixed(hard)])


if __name__ == "__main__":
    main()
