"""A captioner on a model of the shape of Vicuna-7B in bf16, with transformers and peft and with ours,
in turn: tokens per second of greedy captions of 30 tokens at batch 1 and 64 (one projected embedding
and the instruction), with the low-rank matrices kept apart and without them, seconds a step and memory
of tuning at batch 16 (projector, rank 8 and alpha 32 on queries and values, dropout 0.05).

Usage, from the root of the repository, on a machine with a GPU, with transformers, peft and torch
2.11.0 installed:
    cargo build --release -p dl-llm --example seven_billion
    python benches/side_by_side/seven_billion.py [--binary PATH] [--layers 32] [--device cuda]
                                                 [--rounds 3] [--seconds 600]
Weights are random: neither time nor memory depends on them. Every round runs ours and the reference as
processes of their own, so that each has the GPU to itself; no round begins that would not end within
--seconds. The median of all calls and steps counts, and the range of the medians of the rounds stands
beside it. Memory is what the driver counts after tuning. The floor of batch 1: the time that this card
takes to read as many bytes as the weights have, once a token. Where the device is cpu both models are
a sixteenth as wide and the reference makes fewer calls, which shows that the script works and nothing
else.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
BINARY = TARGET / "release" / "examples" / "seven_billion"
DIM, TOKENS, WARM = 1024, 30, 3
CASES = {
    "adapted_1": "batch 1, matrices apart (tokens/s)",
    "plain_1": "batch 1, without matrices (tokens/s)",
    "adapted_64": "batch 64, matrices apart (tokens/s)",
    "plain_64": "batch 64, without matrices (tokens/s)",
    "tuning_16": "tuning at batch 16 (s a step)",
}


def device_mib() -> int | None:
    """MiB in use on the first GPU, as its driver counts."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]
    try:
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None


def told(**values) -> None:
    print(json.dumps(values), flush=True)


def reference(layers: int, device: str, before: int, caption: int) -> None:
    """Prints what the example prints, of transformers and peft, for `before` tokens of instruction and
    captions of `caption` tokens."""
    import peft
    import torch
    import transformers

    narrow, steps, calls = (16, 5, 1) if device == "cpu" else (1, 20, 3)
    config = transformers.LlamaConfig(
        vocab_size=32_000, hidden_size=4096 // narrow, num_hidden_layers=layers, num_attention_heads=32 // narrow,
        num_key_value_heads=32 // narrow, intermediate_size=11_008 // narrow, max_position_embeddings=4096,
        tie_word_embeddings=False)
    with torch.device(device):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    told(parameters=model.num_parameters(), kind=str(model.dtype), device_mib=device_mib(),
         attention=model.config._attn_implementation, torch=torch.__version__,
         transformers=transformers.__version__, peft=peft.__version__)
    lora = peft.LoraConfig(r=8, lora_alpha=32, lora_dropout=0.05, target_modules=["q_proj", "v_proj"])
    adapted = peft.get_peft_model(model, lora)
    hidden = config.hidden_size
    projector = torch.nn.Sequential(
        torch.nn.Linear(DIM, 512), torch.nn.GELU(), torch.nn.Linear(512, hidden)).to(device)
    tuned = [*projector.parameters(), *(p for p in adapted.parameters() if p.requires_grad)]
    optimizer = torch.optim.AdamW(tuned, lr=1e-3)
    table = model.get_input_embeddings()

    def embeds(batch: int) -> torch.Tensor:
        embeddings = torch.nn.functional.normalize(torch.randn(batch, DIM, device=device), dim=-1)
        prefix = projector(embeddings * DIM**0.5) * 0.02
        instruction = torch.arange(3, 3 + before, device=device).expand(batch, -1)
        return torch.cat([prefix[:, None].to(torch.bfloat16), table(instruction)], 1)

    target = torch.arange(100, 100 + caption, device=device).expand(16, -1)

    def step() -> float:
        optimizer.zero_grad()
        given = embeds(16)
        labels = torch.full((16, given.shape[1] + caption), -100, device=device)
        labels[:, -caption:] = target
        loss = adapted(inputs_embeds=torch.cat([given, table(target)], 1), labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tuned, 1.0)
        optimizer.step()
        return loss.item()

    adapted.train()
    seconds = []
    for number in range(steps):
        begin = time.perf_counter()
        step()
        if number >= WARM:
            seconds.append(time.perf_counter() - begin)
    told(case="tuning_16", seconds=seconds, device_mib=device_mib())
    optimizer.zero_grad()
    for name in ("adapted", "plain"):
        if name == "plain":
            adapted = adapted.unload()
        adapted.eval()
        for batch in (1, 64):
            seconds = []
            for call in range(calls + 1):
                begin = time.perf_counter()
                with torch.inference_mode():
                    given = embeds(batch)
                    found = adapted.generate(
                        inputs_embeds=given, attention_mask=torch.ones(given.shape[:2], dtype=torch.long, device=device),
                        do_sample=False, min_new_tokens=TOKENS, max_new_tokens=TOKENS, pad_token_id=2)
                    assert found.cpu().shape == (batch, TOKENS), found.shape
                if call > 0:
                    seconds.append(time.perf_counter() - begin)
            told(case=f"{name}_{batch}", seconds=seconds)


def bandwidth(device: str) -> None:
    """Prints the bytes a second at which the device reads its memory: a sum, best of several."""
    import torch

    values = torch.ones((2 << 30) if device != "cpu" else (64 << 20), device=device)
    lowest = float("inf")
    for _ in range(10):
        begin = time.perf_counter()
        values.sum().item()
        lowest = min(lowest, time.perf_counter() - begin)
    name = torch.cuda.get_device_name() if device != "cpu" else "processor"
    told(bandwidth=values.numel() * 4 / lowest, name=name)


def lines(command: list[str]) -> list[dict]:
    """The JSON lines that a process prints; it stops with what the process says where that fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def add(found: list[dict], into: dict) -> None:
    for line in found:
        if "case" in line:
            into.setdefault(line["case"], []).append(line["seconds"])
            if line.get("device_mib") is not None:
                into.setdefault("mib", []).append(line["device_mib"])


def cell(name: str, rounds: list[list[float]]) -> tuple[float, str]:
    """The median of all and, in words, the range of the medians of the rounds."""
    batch = 1 if name == "tuning_16" else int(name.rsplit("_", 1)[1]) * TOKENS
    value = (lambda seconds: seconds) if name == "tuning_16" else (lambda seconds: batch / seconds)
    middle = value(statistics.median([seconds for calls in rounds for seconds in calls]))
    each = [value(statistics.median(calls)) for calls in rounds]
    digits = 3 if name == "tuning_16" else 1
    return middle, f"{middle:.{digits}f} ({min(each):.{digits}f} to {max(each):.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, default=BINARY)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--reference", nargs=2, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--bandwidth", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.reference:
        return reference(given.layers, given.device, *given.reference)
    if given.bandwidth:
        return bandwidth(given.device)
    again = [sys.executable, __file__, "--layers", str(given.layers), "--device", given.device]
    card = lines([*again, "--bandwidth"])[0]
    mine, theirs, longest, begin = {}, {}, 0.0, time.perf_counter()
    for number in range(given.rounds):
        start = time.perf_counter()
        if number > 0 and start - begin + longest > given.seconds:
            break
        own = lines([str(given.binary), str(given.layers), given.device])
        print(json.dumps({"round": number, "ours": own}), flush=True)
        sizes = [str(own[0][key]) for key in ("instruction_tokens", "caption_tokens")]
        others = lines([*again, "--reference", *sizes])
        print(json.dumps({"round": number, "reference": others}), flush=True)
        add(own, mine)
        add(others, theirs)
        longest = max(longest, time.perf_counter() - start)
    versions, parameters = others[0], own[0]["parameters"]
    floor = parameters * 2 / card["bandwidth"]
    print(f"{card['name']}, torch {versions['torch']}, transformers {versions['transformers']}, peft {versions['peft']}; "
          f"{parameters / 1e9:.2f} billion parameters in bf16, {sizes[0]} tokens of instruction, captions of {sizes[1]}; "
          f"{len(mine['tuning_16'])} rounds")
    print(f"memory is read at {card['bandwidth'] / 1e9:.0f} GB/s: the weights once in {floor * 1e3:.2f} ms")
    print("| case | transformers | ours | ratio | ours, floors a token |")
    print("|---|---:|---:|---:|---:|")
    for name, words in CASES.items():
        (their, their_words), (our, our_words) = cell(name, theirs[name]), cell(name, mine[name])
        ratio = their / our if name == "tuning_16" else our / their
        floors = f"{1 / our / floor:.2f}" if name.endswith("_1") else ""
        print(f"| {words} | {their_words} | {our_words} | {ratio:.2f} | {floors} |")
    if "mib" in mine and "mib" in theirs:
        their, our = max(theirs["mib"]), max(mine["mib"])
        print(f"| memory of tuning (MiB) | {their} | {our} | {our / their:.2f} | |")


if __name__ == "__main__":
    main()
