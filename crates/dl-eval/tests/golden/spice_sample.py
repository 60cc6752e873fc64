"""Takes the sample that `tests/spice_official.rs` always runs on from the data folder (see
there): every 12th caption of `validation.jsonl.gz`, and every 100th scored item of AudioCaps
with the tuples of its captions. AudioCaps' captions are under the MIT licence; the rest is what
SPICE 1.0 made of them. Python 3.11, standard library.

    python3 tests/golden/spice_sample.py FOLDER
"""

import gzip
import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
here = pathlib.Path(__file__).parent


def lines(name):
    with gzip.open(folder / name, "rt") as file:
        return [json.loads(line) for line in file]


captions = [line for line in lines("validation.jsonl.gz") if line["set"] == "audiocaps"][::12]
tuples = {line["caption"]: line["tuples"] for line in lines("test.jsonl.gz")}
items = [item for item in lines("items.jsonl.gz") if item["id"].startswith("audiocaps")][::100]
for item in items:
    said = [item["candidate"], *item["references"]]
    item["tuples"] = {caption: tuples[caption] for caption in said}
for name, entries in (("spice_captions.jsonl", captions), ("spice_items.jsonl", items)):
    text = "".join(json.dumps(entry) + "\n" for entry in entries)
    (here / name).write_text(text)
