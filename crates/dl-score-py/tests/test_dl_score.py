"""Tests of the installed package, run by `cargo verify` in a fresh virtual environment.

DL_SCORE_PROGRAM names the program `dl-score` of the same build: what both compute must be equal to
the last bit.
"""

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
        members = {(name, ""): stub for name, stub in stubs.items() if name != "Evaluator"}
        members |= {("Evaluator", node.name): node for node in stubs["Evaluator"].body
                    if isinstance(node, ast.FunctionDef) and node.name[0] != "_"}
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
