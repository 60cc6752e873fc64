"""Seconds of pycocoevalcap and of dl-score for the same captions, from files to files.

Usage, from the root of the repository, with pycocoevalcap, Java and METEOR's data
(`cargo setup --metrics`) installed, and AudioCaps' test.csv at hand:
    cargo build --release -p dl-score
    python benches/side_by_side/captions.py TEST_CSV [rounds]
Candidates: the first two thirds of one of a clip's own captions and the last third of the next
clip's, so that all matchers have work. BLEU, METEOR, ROUGE-L and CIDEr-D of all clips; the scores
must be equal. Every round runs both, one after the other; the best of all rounds counts on both
sides, since whatever else a machine does can only slow a program down. Then the same with what it
takes to start taken off: for the reference the imports, the two Java processes and METEOR's table,
for dl-score a run on two clips. Exit status 1 when a goal is missed.
"""

import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

PROGRAM = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "release" / "dl-score"
GOALS = {"from files to files": 100.0, "without the starts": 10.0}
MEGABYTES = 300

REFERENCE = """
import csv, json, sys, time
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

predictions, references, output, warm = sys.argv[1:]

def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]

seconds = 0.0
def timed(function, *arguments):
    global seconds
    begin = time.perf_counter()
    result = function(*arguments)
    seconds += time.perf_counter() - begin
    return result

res = {row["id"]: [{"caption": row["caption"]}] for row in read(predictions)}
gts = {row["id"]: [{"caption": c} for c in row["captions"]] for row in read(references)}
tokenizer = PTBTokenizer()
if warm == "warm":
    tokenize_one = lambda: tokenizer.tokenize({0: [{"caption": "a dog barks"}]})
    begin = time.perf_counter()
    tokenize_one(), tokenize_one()
    seconds -= time.perf_counter() - begin
gts, res = timed(tokenizer.tokenize, gts), timed(tokenizer.tokenize, res)
meteor = Meteor()
if warm == "warm":
    meteor.compute_score({0: ["a dog barks"]}, {0: ["a dog"]})
scores = {}
for metric in (Bleu(4), meteor, Rouge(), Cider()):
    verbose = {"verbose": 0} if isinstance(metric, Bleu) else {}
    found = timed(lambda: metric.compute_score(gts, res, **verbose))
    scores[type(metric).__name__] = found
ids = list(gts)
with open(output, "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["id", "meteor", "rouge_l", "cider_d"])
    writer.writerows(zip(ids, *(scores[name][1] for name in ("Meteor", "Rouge", "Cider"))))
bleu = {f"bleu_{n + 1}": value for n, value in enumerate(scores["Bleu"][0])}
rest = {"meteor": scores["Meteor"][0], "rouge_l": scores["Rouge"][0], "cider_d": scores["Cider"][0]}
print(json.dumps({"seconds": seconds, "scores": {k: float(v) for k, v in {**bleu, **rest}.items()}}))
"""


def write_layout(test_csv: str, folder: pathlib.Path, clips: int | None) -> list[str]:
    """Predictions and references as JSON lines; the arguments that name them."""
    with open(test_csv, encoding="utf-8", newline="") as file:
        by_clip: dict[str, list[str]] = {}
        for row in csv.DictReader(file):
            by_clip.setdefault(row["youtube_id"], []).append(row["caption"])
    listed = list(by_clip.items())[:clips]
    paths = [folder / f"{name}_{clips}.jsonl" for name in ("predictions", "references")]
    predictions, references = (path.open("w", encoding="utf-8") for path in paths)
    with predictions, references:
        for k, (clip, captions) in enumerate(listed):
            own = captions[k % len(captions)].split()
            after = listed[(k + 1) % len(listed)][1][0].split()
            words = own[: max(3, 2 * len(own) // 3)] + after[-max(2, len(after) // 3) :]
            print(json.dumps({"id": clip, "caption": " ".join(words)}), file=predictions)
            print(json.dumps({"id": clip, "captions": captions}), file=references)
    return [str(path) for path in paths]


def reference(files: list[str], folder: pathlib.Path, warm: str) -> tuple[float, dict]:
    """Seconds of the whole process and what it printed."""
    begin = time.perf_counter()
    command = [sys.executable, "-c", REFERENCE, *files, str(folder / "per_item.csv"), warm]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - begin, json.loads(done.stdout.splitlines()[-1])


def ours(files: list[str], folder: pathlib.Path, threads: int | None = None) -> tuple[float, float]:
    """Seconds of the whole process, and its largest memory in megabytes."""
    environment = dict(os.environ, **({"RAYON_NUM_THREADS": str(threads)} if threads else {}))
    named = ["--predictions", files[0], "--references", files[1], "--output", str(folder / "ours")]
    begin = time.perf_counter()
    process = subprocess.Popen([PROGRAM, *named], stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    if status != 0:
        sys.exit("dl-score failed")
    return seconds, usage.ru_maxrss / 1024


def main() -> None:
    test_csv = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        files = write_layout(test_csv, folder, None)
        few = write_layout(test_csv, folder, 2)
        theirs, theirs_warm, own, own_start, own_single, memory = [], [], [], [], [], []
        for _ in range(rounds):
            seconds, _ = reference(files, folder, "cold")
            theirs.append(seconds)
            _, printed = reference(files, folder, "warm")
            theirs_warm.append(printed["seconds"])
            for _ in range(5):
                own_start.append(ours(few, folder)[0])
                own_single.append(ours(files, folder, 1)[0])
                seconds, megabytes = ours(files, folder)
                own.append(seconds)
                memory.append(megabytes)
        ours_scores = json.loads((folder / "ours" / "scores.json").read_text())
    for key, value in printed["scores"].items():
        if abs(ours_scores[key] - value) > 1e-9 * abs(value):
            sys.exit(f"{key}: {ours_scores[key]} here, {value} there")
    print(f"scores equal: {', '.join(printed['scores'])}")
    print(f"pycocoevalcap {min(theirs):.2f} s, {min(theirs_warm):.2f} s without its starts")
    print(
        f"dl-score {min(own) * 1e3:.0f} ms, {min(own_start) * 1e3:.0f} ms of it on two clips; "
        f"on one thread {min(own_single) * 1e3:.0f} ms; {max(memory):.0f} MB"
    )
    ratios = {
        "from files to files": min(theirs) / min(own),
        "without the starts": min(theirs_warm) / (min(own) - min(own_start)),
    }
    failed = max(memory) > MEGABYTES
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.1f} times (goal {GOALS[name]:.0f})")
        failed |= ratio < GOALS[name]
    sys.exit(failed)


if __name__ == "__main__":
    main()
