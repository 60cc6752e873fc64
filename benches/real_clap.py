"""Every bridge on the space of a published CLAP: ten folds of ESC-50's clips within each class, whose
"captions" are class prompts. Each fold is measured once by bridges that were fitted to eight of the
others and chosen by one. Prints a table of means over the folds, with the spread of single folds.

Usage, from the root of the repository, with numpy and safetensors installed and the program built
with `cargo build --release -p experiments`:
    python benches/real_clap.py DATA OUTPUT [--steps 400] [--folds 10] [--measure 3] [--methods none,ridge]
--measure: only the first so many folds. EXPERIMENTS names another program.
DATA holds audio.npy and class_text.npy (f32 rows of unit norm), clips.csv (columns file, class and
caption) and classes.csv (class, caption), one line a row.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

PROGRAM = os.path.abspath(os.environ.get("EXPERIMENTS", "target/release/experiments"))
METHODS = (
    "none,embedding_shift,realign,c3,nearest_neighbour,projection,procrustes,ridge,pls,kernel_ridge,"
    "mlp_regression,diffusion_bridge,seed_style,brownian_bridge,diffusion_link"
)
FIGURES = ["paired_cosine", "centroid_distance", "frechet", "separability"]
ENVIRONMENT = os.environ | {"LD_LIBRARY_PATH": os.path.abspath(".setup/libtorch/lib")}


def lines(path: pathlib.Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_set(path: pathlib.Path, rows: np.ndarray, data: dict, split: str) -> None:
    clips = [data["clips"][row] for row in rows]
    metadata = {
        "format": "diffusion-link/embedding-set",
        "version": "1",
        "ids": json.dumps([clip["file"] for clip in clips]),
        "captions": json.dumps([clip["caption"] for clip in clips]),
        "provenance": json.dumps({"split": split, "encoder": "laion_clap", "corpus": "esc50"}),
    }
    tensors = {
        "audio": np.ascontiguousarray(data["audio"][rows]),
        "text": np.ascontiguousarray(data["prompts"][data["classes"][rows]]),
        "owners": np.arange(len(rows), dtype=np.int64),
    }
    save_file(tensors, path, metadata)


def accuracy(path: pathlib.Path, rows: np.ndarray, data: dict) -> float:
    """Share of clips that are nearest to the prompt of their own class."""
    with safe_open(path, "np") as file:
        audio, text = file.get_tensor("audio"), file.get_tensor("text")
    own = data["classes"][rows]
    # Methods that move the text have moved the prompts, too.
    prompts = np.stack([text[own == one][0] for one in range(own.max() + 1)])
    return float(np.mean((audio @ prompts.T).argmax(1) == own))


def run(*arguments: str) -> None:
    subprocess.run([PROGRAM, *arguments], check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--measure", type=int)
    parser.add_argument("--methods", default=METHODS)
    options = parser.parse_args()
    names = [line["class"] for line in lines(options.data / "classes.csv")]
    clips = lines(options.data / "clips.csv")
    classes = np.array([names.index(clip["class"]) for clip in clips])
    data = {
        "clips": clips,
        "classes": classes,
        "audio": np.load(options.data / "audio.npy"),
        "prompts": np.load(options.data / "class_text.npy"),
    }
    # The place of a clip among those of its class.
    place = np.array([np.sum(classes[:row] == own) for row, own in enumerate(classes)])
    part = place % options.folds
    found: dict[str, list[list[float]]] = {}
    for fold in range(options.measure or options.folds):
        folder = options.output / f"fold-{fold}"
        folder.mkdir(parents=True, exist_ok=True)
        validation = (fold + 1) % options.folds
        rows = {
            "train": np.flatnonzero((part != fold) & (part != validation)),
            "validation": np.flatnonzero(part == validation),
            "test": np.flatnonzero(part == fold),
        }
        arguments = ["bridge", "compare", "--methods", options.methods, "--steps", str(options.steps)]
        for split, own in rows.items():
            write_set(folder / f"{split}.safetensors", own, data, split)
            arguments += [f"--{split}", str(folder / f"{split}.safetensors")]
        run(*arguments, "--resamples", "100", "--output", str(folder / "run"))
        metrics = (folder / "run" / "metrics.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in metrics]
        for record in (record for record in records if record["seed"] is None):
            method = record["row"].replace(" ", "_")
            bridged = folder / f"{method}.safetensors"
            bridge = folder / "run" / "bridges" / f"{method}-0.safetensors"
            test = folder / "test.safetensors"
            run("bridge", "apply", "--bridge", str(bridge), "--embeddings", str(test), "--output", str(bridged))
            figures = [record["metrics"][figure]["value"] for figure in FIGURES]
            found.setdefault(method, []).append([*figures, accuracy(bridged, rows["test"], data)])
    print("| bridge | paired cosine | centroid | Fréchet | separability | own class nearest |")
    print("|---|---:|---:|---:|---:|---:|")
    for method, folds in found.items():
        table = np.array(folds)
        cells = (f"{mean:.3f} ± {spread:.3f}" for mean, spread in zip(table.mean(0), table.std(0, ddof=1)))
        print(f"| {method.replace('_', ' ')} | {' | '.join(cells)} |")


main()
