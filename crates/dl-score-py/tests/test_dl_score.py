"""Tests of the installed package, run by `cargo verify` in a fresh virtual environment.

DL_SCORE_PROGRAM names the program `dl-score` of the same build: what both compute must be equal to
the last bit.
"""

import array
import ast
import contextlib
import csv
import importlib.metadata
import inspect
import io
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

import dl_score

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("DL_SCORE_PROGRAM")
METEOR = next(filter(os.path.exists, [ROOT / ".setup/meteor.bin"]), None)
COLUMNS = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d", "spice", "spider"]


def items():
    """Candidates of systems and references of AudioCaps and Clotho, those of each clip."""
    lines = (ROOT / "crates/dl-eval/tests/golden/spice_items.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [item["candidate"] for item in found], [item["references"] for item in found]


def program(folder, candidates, references, *more):
    """What `dl-score` writes: its scores, and its rows by column."""
    write = lambda name, rows: (folder / name).write_text("\n".join(map(json.dumps, rows)))
    write("c.jsonl", ({"id": i, "caption": c} for i, c in enumerate(candidates)))
    write("r.jsonl", ({"id": i, "captions": r} for i, r in enumerate(references)))
    files = ["--predictions", folder / "c.jsonl", "--references", folder / "r.jsonl"]
    subprocess.run([PROGRAM, *files, "--output", folder / "out", *more], check=True,
                   capture_output=True, cwd=ROOT)
    with open(folder / "out/per_item.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {name: [float(row[name] or "nan") for row in rows] for name in rows[0]}
    return json.loads((folder / "out/scores.json").read_text()), columns


def same(a, b):
    """Equal to the last bit; NaN is equal to itself here."""
    return len(a) == len(b) and all(x == y or x != x and y != y for x, y in zip(a, b))


class Scores(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) \
            if hasattr(self, "enterContext") else pathlib.Path(tempfile.mkdtemp())

    @unittest.skipUnless(PROGRAM, "DL_SCORE_PROGRAM does not name the program")
    def test_numbers_are_those_of_the_program_bit_for_bit(self):
        candidates, references = items()
        scores, columns = program(self.folder, candidates, references)
        names = [name for name in columns if name in scores and name != "exact_stem"]
        self.assertGreater(len(names), 13)
        corpus, per_item = dl_score.evaluate(candidates, references, metrics=names)
        self.assertEqual(list(corpus), names)
        for name in names:
            self.assertEqual(corpus[name], scores[name], name)
            self.assertTrue(same(per_item[name], columns[name]), name)
        kept = dl_score.Evaluator(references, metrics=names)
        for _ in range(2):
            again = kept.evaluate(candidates)
            self.assertEqual(again[0], corpus)
            self.assertTrue(all(same(again[1][name], per_item[name]) for name in names))

    @unittest.skipUnless(PROGRAM, "DL_SCORE_PROGRAM does not name the program")
    def test_default_metrics_hold_meteor_where_its_data_is(self):
        candidates, references = items()
        scores, _ = program(self.folder, candidates, references)
        os.chdir(ROOT)
        if scores["meteor"] is None:
            with self.assertRaisesRegex(ValueError, "METEOR .* data is missing.*cargo setup --met"):
                dl_score.evaluate(candidates, references)
        else:
            corpus = dl_score.evaluate(candidates, references, return_per_item=False)
            self.assertEqual(sorted(corpus), sorted([*COLUMNS, "meteor"]))
            self.assertEqual(corpus["meteor"], scores["meteor"])

    @unittest.skipUnless(PROGRAM, "DL_SCORE_PROGRAM does not name the program")
    def test_comparison_is_that_of_the_program(self):
        candidates, references = items()
        others = [own[0] for own in references]
        lines = (json.dumps({"id": i, "caption": c}) for i, c in enumerate(others))
        (self.folder / "other.jsonl").write_text("\n".join(lines))
        scores, _ = program(self.folder, candidates, references, "--against",
                            self.folder / "other.jsonl")
        found = dl_score.compare(candidates, others, references, metrics=COLUMNS)
        for name in COLUMNS:
            expected = scores["against"][name]
            self.assertEqual(found[name]["a"], scores[name])
            self.assertEqual(found[name]["b"], expected["other"])
            self.assertEqual(found[name]["difference"], expected["difference"])
            self.assertEqual(list(found[name]["interval"]), expected["interval"])
            self.assertEqual(found[name]["p"], expected["p"])
        # Holm's correction is over the figures compared: fewer here than there.
        self.assertTrue(all(1 >= entry["p_holm"] >= entry["p"] for entry in found.values()))

    def test_a_caption_worked_out_by_hand(self):
        # Four words said where six stand, all of them right.
        corpus, per_item = dl_score.evaluate(
            ["a dog barks", "rain"], [["a dog barks loudly"], ["rain falls"]],
            metrics=["bleu_1", "rouge_l"])
        self.assertAlmostEqual(corpus["bleu_1"], math.exp(-0.5), places=8)
        self.assertAlmostEqual(per_item["bleu_1"][1], math.exp(-1.0), places=8)
        # Recall 3/4, precision 1, beta 1.2.
        self.assertAlmostEqual(per_item["rouge_l"][0], 2.44 * 0.75 / (0.75 + 1.44), places=12)

    def test_layouts_and_names_of_pycocoevalcap(self):
        candidates, references = items()
        res = {i: [{"caption": caption}] for i, caption in enumerate(candidates)}
        gts = {i: [{"caption": caption} for caption in own] for i, own in enumerate(references)}
        corpus, per_item = dl_score.evaluate(candidates, references, metrics=COLUMNS)
        metrics = ["Bleu_4", "CIDEr", "SPICE"]
        coco, coco_items = dl_score.evaluate(res, gts, metrics=metrics, names="pycocoevalcap")
        self.assertEqual(list(coco), metrics)
        self.assertEqual(coco["CIDEr"], corpus["cider_d"])
        self.assertEqual(coco_items["SPICE"], per_item["spice"])
        # By clip, whatever their order; scores are in the order of the references.
        turned = dict(reversed([(str(i), caption) for i, caption in enumerate(candidates)]))
        self.assertEqual(
            dl_score.evaluate(turned, gts, metrics=["rouge_l"])[1]["rouge_l"], per_item["rouge_l"])

    def test_the_best_of_several_candidates(self):
        candidates, references = items()
        others = [own[0] for own in references]
        one, other = (dl_score.evaluate(said, references, metrics=["spider", "cider_d", "spice"])[1]
                      for said in (candidates, others))
        several = [[a, b] for a, b in zip(candidates, others)]
        corpus, per_item = dl_score.spider_max(several, references)
        self.assertEqual(list(corpus), ["spider_max", "cider_d_max", "spice_max"])
        for i, (a, b) in enumerate(zip(one["spider"], other["spider"])):
            best = one if a >= b else other
            for name in ["spider", "cider_d", "spice"]:
                self.assertAlmostEqual(per_item[name + "_max"][i], best[name][i], places=12)
        mean = sum(per_item["spider_max"]) / len(candidates)
        self.assertAlmostEqual(corpus["spider_max"], mean, places=12)
        kept = dl_score.Evaluator(references, metrics="rouge_l")
        self.assertEqual(kept.spider_max(several, return_per_item=False), corpus)
        if PROGRAM:
            write = lambda name, rows: (self.folder / name).write_text(json.dumps(rows))
            write("c.json", [{"image_id": i, "captions": own} for i, own in enumerate(several)])
            write("r.json", [{"image_id": i, "captions": own} for i, own in enumerate(references)])
            subprocess.run([PROGRAM, "--predictions", "c.json", "--references", "r.json", "--output",
                            "out", "--spider-max"], check=True, capture_output=True, cwd=self.folder)
            scores = json.loads((self.folder / "out/scores.json").read_text())
            self.assertEqual({name: scores[name] for name in corpus}, corpus)

    def test_a_part_of_spice_that_no_reference_has_is_nan(self):
        corpus, per_item = dl_score.evaluate(
            ["a dog barks", "rain"], [["a dog barks"], ["rain falls"]], metrics=["spice_color"])
        self.assertTrue(math.isnan(corpus["spice_color"]))
        self.assertTrue(all(map(math.isnan, per_item["spice_color"])))
        self.assertEqual(len(per_item["spice_color"]), 2)


LETTERS = "abcdefghijklmnopqrstuvwxyz"


def letters(texts):
    """Stands for an encoder: how often a caption has each letter, and 1."""
    return [[*map(text.count, LETTERS), 1] for text in texts]


def words(texts):
    """Stands for a language model: a row for each word."""
    return [letters(text.split()) for text in texts]


def cosine(a, b):
    dot = lambda a, b: sum(x * y for x, y in zip(a, b))
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


class Array:
    """As NumPy's arrays and torch's tensors, for this test: turns into what shows its memory."""

    def __init__(self, rows, kind):
        width = [len(rows), *([len(rows[0])] if isinstance(rows[0], list) else [])]
        flat = [value for row in rows for value in row] if len(width) == 2 else rows
        self.view = memoryview(array.array(kind, flat)).cast("B").cast(kind, width)

    def __array__(self):
        return self.view


class Models(unittest.TestCase):
    CANDIDATES = ["a dog barks", "rain", "wind blows"]
    REFERENCES = [["a dog", "dogs bark loudly"], ["rain falls"], ["the wind blows", "wind", "a storm"]]
    AUDIO = letters(["woof", "drip", "hush"])
    ERRORS = [0.95, 0.1, 0.98]

    def models(self, asked=None, **others):
        def noted(name, function):
            def call(texts):
                self.assertIs(type(texts), list)
                if asked is not None:
                    asked.append((name, texts))
                return function(texts)
            return call
        given = dict(sentences=letters, clap=letters, tokens=words, recordings=self.AUDIO,
                     fluency=lambda texts: self.ERRORS)
        given = {name: noted(name, each) if callable(each) else each for name, each in given.items()}
        return dl_score.Models(**{**given, **others})

    def test_figures_worked_out_in_python(self):
        names = ["sbert_sim", "fense", "fer", "spider", "spider_fl", "clap_sim", "clap_sim_audio", "mace",
                 "mace_text", "mace_audio", "bert_score.precision", "bert_score.recall", "bert_score.f1"]
        corpus, per_item = dl_score.evaluate(
            self.CANDIDATES, self.REFERENCES, metrics=names, models=self.models())
        self.assertEqual(list(corpus), names)
        self.assertEqual(per_item["fer"], [1, 0, 1])
        for clip, (said, references) in enumerate(zip(self.CANDIDATES, self.REFERENCES)):
            own, *others = letters([said, *references])
            by_text = sum(cosine(own, other) for other in others) / len(others)
            by_audio = cosine(own, self.AUDIO[clip])
            tenth = 0.1 if clip != 1 else 1  # above 0.9
            seven_tenths = 0.7 if clip == 2 else 1  # above 0.97
            best = [0, 0, 0]
            for reference in references:
                table = [[cosine(a, b) for b in letters(reference.split())]
                         for a in letters(said.split())]
                precision = sum(map(max, table)) / len(table)
                recall = sum(map(max, zip(*table))) / len(table[0])
                f1 = 2 * precision * recall / (precision + recall)
                best = list(map(max, best, [precision, recall, f1]))
            expected = [by_text, by_text * tenth, 1 - (clip == 1), per_item["spider"][clip],
                        per_item["spider"][clip] * tenth, by_text, by_audio,
                        (by_text + by_audio) / 2 * seven_tenths, by_text * seven_tenths,
                        by_audio * seven_tenths, *best]
            for name, value in zip(names, expected):
                self.assertAlmostEqual(per_item[name][clip], value, places=6, msg=name)
        for name in names:
            self.assertAlmostEqual(corpus[name], sum(per_item[name]) / 3, places=12)

    @unittest.skipUnless(METEOR, "METEOR's data is missing")
    def test_what_models_allow_is_all_that_all_adds(self):
        few = dl_score.Models(sentences=letters, fluency=lambda texts: self.ERRORS)
        plain = ["sbert_sim", "fense", "fer", "spider_fl"]
        names = lambda models: list(dl_score.Evaluator(
            self.REFERENCES, metrics="all", models=models, meteor=METEOR).evaluate(self.CANDIDATES)[0])
        self.assertEqual(names(few), names(None) + plain)
        self.assertEqual(len(names(self.models())), len(names(None)) + 12)

    def test_references_are_asked_about_once(self):
        asked = []
        metrics = ["fense", "bert_score.f1", "clap_sim"]
        kept = dl_score.Evaluator(self.REFERENCES, metrics=metrics, models=self.models(asked))
        self.assertEqual(asked, [])
        first, again = kept.evaluate(self.CANDIDATES), kept.evaluate(self.CANDIDATES)
        self.assertEqual(first, again)
        references = sum(self.REFERENCES, [])
        for name in ["sentences", "tokens", "clap"]:
            texts = [texts for other, texts in asked if other == name]
            self.assertEqual(texts, [references, self.CANDIDATES, self.CANDIDATES])
        # Nothing is asked of models that no figure takes.
        asked.clear()
        dl_score.evaluate(self.CANDIDATES, self.REFERENCES, metrics=["clap_sim"],
                          models=self.models(asked))
        self.assertEqual({name for name, _ in asked}, {"clap"})

    def test_layouts_of_numbers(self):
        metrics = ["sbert_sim", "fense", "bert_score.f1", "clap_sim_audio"]
        expected = dl_score.evaluate(self.CANDIDATES, self.REFERENCES, metrics=metrics,
                                     models=self.models())
        for kind in "fd":
            rows = lambda texts: Array(letters(texts), kind)
            models = self.models(
                sentences=rows, clap=lambda texts: rows(texts).view,
                tokens=lambda texts: (rows(text.split()) for text in texts),
                fluency=lambda texts: Array(self.ERRORS, kind),
                recordings=[Array(row, kind) for row in self.AUDIO])
            found = dl_score.evaluate(self.CANDIDATES, self.REFERENCES, metrics=metrics, models=models)
            self.assertEqual(found, expected)
        # Clips by their names, in another order.
        by_name = lambda rows: dict(reversed([(str(i), row) for i, row in enumerate(rows)]))
        found = dl_score.evaluate(
            by_name(self.CANDIDATES), dict(enumerate(self.REFERENCES)), metrics=["clap_sim_audio"],
            models=dl_score.Models(clap=letters, recordings=by_name(self.AUDIO)))
        self.assertEqual(found[1]["clap_sim_audio"], expected[1]["clap_sim_audio"])

    def test_two_systems(self):
        found = dl_score.compare(self.CANDIDATES, ["dog", "rain falls", "hiss"], self.REFERENCES,
                                 metrics=["sbert_sim", "rouge_l"], models=self.models())
        self.assertEqual(list(found), ["sbert_sim", "rouge_l"])
        alone = dl_score.evaluate(self.CANDIDATES, self.REFERENCES, metrics=["sbert_sim"],
                                  models=self.models(), return_per_item=False)
        self.assertEqual(found["sbert_sim"]["a"], alone["sbert_sim"])

    def test_faults_are_sentences(self):
        two = ([["a", "b"], [["a"], ["b"]]])
        score = lambda metric, models=None: dl_score.evaluate(*two, metrics=[metric], models=models)
        ones = lambda texts: [[1.0]] * len(texts)
        for said, kind, call in [
            ("metrics: fense needs a model; give it as models=dl_score.Models(fluency=...)", ValueError,
             lambda: score("fense", dl_score.Models(sentences=ones))),
            ("metrics: bert_score.f1 needs a model; give it as models=dl_score.Models(tokens=...)",
             ValueError, lambda: score("bert_score.f1")),
            ("models: sentences was asked about 2 captions and answered for 1", ValueError,
             lambda: score("sbert_sim", dl_score.Models(sentences=lambda texts: [[1.0]]))),
            ("models: clap: row 1 has 2 numbers and row 0 has 1", ValueError,
             lambda: score("clap_sim", dl_score.Models(clap=lambda texts: [[1.0], [1.0, 2.0]]))),
            ("models: tokens gives rows of 1 numbers and rows of 2", ValueError,
             lambda: score("bert_score.f1", dl_score.Models(
                 tokens=lambda texts: [[[1.0] * (1 + (text == "b"))] for text in texts]))),
            ("candidates: expected 2, got 1", ValueError, lambda: dl_score.evaluate(
                ["a"], two[1], metrics=["fer"], models=dl_score.Models(fluency=lambda texts: 1 / 0))),
            ("row 1 of captions has no direction", ValueError, lambda: score("sbert_sim", dl_score.Models(
                sentences=lambda texts: [[float(text == "a")] for text in texts]))),
            ("1.5 is no probability", ValueError,
             lambda: score("fer", dl_score.Models(fluency=lambda texts: [0.5, 1.5]))),
            ("recordings: expected 2, got 1", ValueError,
             lambda: score("clap_sim_audio", dl_score.Models(clap=ones, recordings=[[1.0]]))),
            ("recordings is a dictionary and references is a list", ValueError,
             lambda: score("clap_sim_audio", dl_score.Models(clap=ones, recordings={"a": [1.0]}))),
            ("recordings: clip y has no recording", ValueError, lambda: dl_score.evaluate(
                {"x": "a", "y": "b"}, {"x": ["a"], "y": ["b"]}, metrics=["clap_sim_audio"],
                models=dl_score.Models(clap=ones, recordings={"x": [1.0]}))),
            ("recordings: clip 1 stands there twice", ValueError, lambda: dl_score.evaluate(
                {"1": "a"}, {"1": ["a"]}, metrics=["clap_sim_audio"],
                models=dl_score.Models(clap=ones, recordings={1: [1.0], "1": [2.0]}))),
            ("models: clap: expected a function of a list of captions; got str", TypeError,
             lambda: dl_score.Models(clap="laion")),
            ("models: sentences: expected rows of numbers; got int", TypeError,
             lambda: score("sbert_sim", dl_score.Models(sentences=lambda texts: 3))),
            ("models: fluency: expected a row of numbers; got str", TypeError,
             lambda: score("fer", dl_score.Models(fluency=lambda texts: "no"))),
            ("division by zero", ZeroDivisionError,
             lambda: score("fer", dl_score.Models(fluency=lambda texts: 1 / 0))),
        ]:
            with self.subTest(said), self.assertRaises(kind) as caught:
                call()
            self.assertIn(said, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))


class Faults(unittest.TestCase):
    def test_faults_are_value_errors_with_a_sentence(self):
        two = [["a dog"], ["a cat"]]
        for said, call in [
            ("candidates: expected 2, got 1", lambda: dl_score.evaluate(["a"], two, metrics="spice")),
            ("clip 1 has no reference caption", lambda: dl_score.evaluate(["a", "b"], [["a"], []])),
            ("CIDEr-D needs at least 2 clips, got 1",
             lambda: dl_score.evaluate(["a"], [["a"]], metrics="cider_d")),
            ("metrics: there is no 'bleu'; take default, all, or some of bleu_1",
             lambda: dl_score.Evaluator(two, metrics=["bleu"])),
            ("metrics: the list is empty", lambda: dl_score.Evaluator(two, metrics=[])),
            ("names: there is no 'coco'", lambda: dl_score.Evaluator(two, names="coco")),
            ("1 clips have no references in references: x",
             lambda: dl_score.evaluate({"a": "a", "x": "b"}, {"a": ["a"], "b": ["b"]})),
            ("1 clips of references have no caption here: b",
             lambda: dl_score.evaluate({"a": "a"}, {"a": ["a"], "b": ["b"]})),
            ("clip 1 has no candidate", lambda: dl_score.spider_max([["a"], []], two)),
            ("clip a has 2 captions; keep the one",
             lambda: dl_score.evaluate({"a": ["a", "b"]}, {"a": ["a"]})),
            ("give both in one layout", lambda: dl_score.evaluate(["a"], {"a": ["a"]})),
            ("clip 1 stands there twice", lambda: dl_score.evaluate({1: "a", "1": "b"}, two)),
            ("no-such-file", lambda: dl_score.Evaluator(two, meteor="no-such-file")),
        ]:
            with self.subTest(said), self.assertRaises(ValueError) as caught:
                call()
            self.assertIn(said, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))

    def test_wrong_types_are_type_errors(self):
        for call in [
            lambda: dl_score.evaluate("a dog", [["a dog"]]),
            lambda: dl_score.evaluate(["a dog"], ["a dog"]),
            lambda: dl_score.evaluate(["a dog"], [[3]]),
            lambda: dl_score.evaluate(3, [["a dog"]]),
            lambda: dl_score.evaluate([{"text": "a dog"}], [["a dog"]]),
        ]:
            with self.assertRaisesRegex(TypeError, "expected a list with a"):
                call()

    def test_any_text_has_a_score(self):
        texts = ["", "7", "犬が吠える", "a\u00a0b", "and and of of", "a dog barks and " * 600]
        corpus, per_item = dl_score.evaluate(
            texts, [[text, "rain falls"] for text in texts], metrics=COLUMNS)
        for name in COLUMNS:
            self.assertTrue(all(map(math.isfinite, [corpus[name], *per_item[name]])), name)


class Process(unittest.TestCase):
    @unittest.skipUnless(sys.platform == "linux", "reads /proc")
    def test_no_thread_stays_and_no_libtorch_comes(self):
        def alone():
            # The kernel may list a thread for a moment after it has ended.
            for _ in range(1000):
                if len(os.listdir("/proc/self/task")) == 1:
                    return True
                time.sleep(0.01)
            return False

        self.assertTrue(alone(), "other tests left threads")
        dl_score.evaluate(["a dog", "rain"], [["a dog"], ["rain"]], metrics=COLUMNS)
        self.assertTrue(alone(), "a thread stays")
        self.assertNotIn("torch", pathlib.Path("/proc/self/maps").read_text())

    def test_the_lock_is_free_while_it_works(self):
        # Its progress goes into a full pipe, which only another thread of Python can empty.
        script = """
import os, threading, dl_score
out, into = os.pipe()
os.set_blocking(into, False)
try:
    while True:
        os.write(into, b"x" * 4096)
except BlockingIOError:
    os.set_blocking(into, True)
os.dup2(into, 2)
work = threading.Thread(target=lambda: dl_score.evaluate(
    ["a dog", "rain"], [["a dog"], ["rain"]], metrics=["spice", "rouge_l"], progress=True))
work.start()
text = b""
while b"SPICE is done" not in text or b"ROUGE-L is done" not in text:
    text += os.read(out, 65536)
work.join()
print("emptied")
"""
        done = subprocess.run([sys.executable, "-c", script], timeout=120, stdout=subprocess.PIPE)
        self.assertEqual(done.stdout, b"emptied\n")

    def test_progress_is_off_unless_asked_for(self):
        script = "import dl_score; dl_score.evaluate(['a'], [['a']], metrics='rouge_l'{})"
        for more, expected in [("", b""), (", progress=True", b"dl_score: ROUGE-L is done\n")]:
            done = subprocess.run([sys.executable, "-c", script.format(more)], check=True,
                                  stderr=subprocess.PIPE)
            self.assertEqual(done.stderr, expected)


class Documents(unittest.TestCase):
    def test_stubs_are_installed_and_say_what_the_module_takes(self):
        folder = pathlib.Path(dl_score.__file__).parent
        self.assertTrue((folder / "py.typed").is_file())
        tree = ast.parse((folder / "__init__.pyi").read_text())
        stubs = {node.name: node for node in tree.body
                 if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name != "Difference"}
        self.assertEqual(set(stubs), {name for name in dir(dl_score) if name[0] != "_"} - {"dl_score"})
        members = {(name, ""): stub for name, stub in stubs.items()
                   if isinstance(stub, ast.FunctionDef)}
        # A class takes what its `__init__` takes.
        members |= {(name, node.name.replace("__init__", "")): node
                    for name, stub in stubs.items() if isinstance(stub, ast.ClassDef)
                    for node in stub.body if isinstance(node, ast.FunctionDef)
                    and (node.name[0] != "_" or node.name == "__init__")}
        for (name, method), stub in members.items():
            function = getattr(dl_score, name)
            function = getattr(function, method) if method else function
            takes = [name for name in inspect.signature(function).parameters if name != "self"]
            arguments = stub.args.args + stub.args.kwonlyargs
            self.assertEqual(takes, [each.arg for each in arguments if each.arg != "self"], name)

    def test_licences_go_along(self):
        installed = {file.name: file for file in importlib.metadata.files("dl-score")}
        for name, origin in [("LICENSE", "LICENSE"),
                             ("WORDNET-LICENSE", "crates/dl-eval/data/spice/WORDNET-LICENSE")]:
            self.assertEqual(installed[name].read_text(), (ROOT / origin).read_text())

    def test_the_guide_does_what_it_says(self):
        text = (ROOT / "experiments/guide/python.md").read_text()
        blocks = re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)
        names, printed, ran = {}, None, 0
        for kind, block in blocks:
            if kind == "python" and "dl_score" in block:
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    exec(block, names)
                printed, ran = out.getvalue(), ran + 1
            elif kind == "text" and printed is not None:
                self.assertEqual(printed, block)
                printed = None
            else:
                printed = None
        self.assertGreater(ran, 2)


if __name__ == "__main__":
    unittest.main()
