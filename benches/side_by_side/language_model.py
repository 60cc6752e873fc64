"""Tokens and tuning steps per second of the transformers library and of ours, in turn, with
SmolLM2-135M-Instruct from the same GGUF file, f32, two threads: one projected embedding and the
instruction in the model's own chat form, 30 new tokens.

Usage, from the root of the repository, after `cargo setup --models`, with transformers, peft, gguf and
torch 2.11.0 installed:
    python benches/side_by_side/language_model.py [rounds] [bf16]
Every round times the reference and runs `cargo bench --bench language_model`. The best of all rounds
counts on both sides. With `bf16` ours is measured in that, too. Beside batch 1: how often a token
goes through the floor, that is the time this machine takes to read the weights once (a sum over as
many bytes, after the caches were filled with something else).
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import peft
import torch
import transformers

ROOT = pathlib.Path(".setup/models/smollm2")
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
THREADS, DIM, TOKENS, STEPS = 2, 512, 30, 4
CASES = [("greedy", 1, 1), ("greedy", 64, 1), ("beams_4", 16, 4)]
CAPTION = "A dog barks while rain falls on a roof and a man speaks in the distance"


def best(work, least: int = 2, seconds: float = 6.0) -> float:
    """Best seconds a call."""
    lowest, spent, calls = float("inf"), 0.0, 0
    while calls < least or spent < seconds:
        begin = time.perf_counter()
        work()
        took = time.perf_counter() - begin
        lowest, spent, calls = min(lowest, took), spent + took, calls + 1
    return lowest


class Reference:
    def __init__(self) -> None:
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(ROOT, gguf_file=FILE)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(ROOT, gguf_file=FILE, dtype=torch.float32).eval()
        text = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": "|\nDescribe the audio you hear."}], tokenize=False, add_generation_prompt=True)
        self.around = [self.tokenizer(part, add_special_tokens=False, return_tensors="pt").input_ids
                       for part in text.split("|\n", 1)]
        self.hidden = self.model.config.hidden_size

    def embeds(self, prefix: torch.Tensor) -> torch.Tensor:
        before, after = (self.model.get_input_embeddings()(ids).expand(len(prefix), -1, -1) for ids in self.around)
        return torch.cat([before, prefix, after], 1)

    def generate(self, batch: int, beams: int) -> float:
        with torch.inference_mode():
            embeds = self.embeds(torch.randn(batch, 1, self.hidden) * 0.1)
            mask = torch.ones(embeds.shape[:2], dtype=torch.long)
            return best(lambda: self.model.generate(
                inputs_embeds=embeds, attention_mask=mask, num_beams=beams, do_sample=False,
                min_new_tokens=TOKENS, max_new_tokens=TOKENS, pad_token_id=2))

    def tune(self) -> float:
        """Best seconds of a tuning step at batch 16: projector and matrices on queries and values."""
        lora = peft.LoraConfig(r=8, lora_alpha=32, target_modules=["q_proj", "v_proj"])
        adapted = peft.get_peft_model(self.model, lora).train()
        projector = torch.nn.Sequential(torch.nn.Linear(DIM, 512), torch.nn.GELU(), torch.nn.Linear(512, self.hidden))
        tuned = list(projector.parameters()) + [p for p in adapted.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(tuned, lr=1e-3)
        caption = self.tokenizer(CAPTION, add_special_tokens=False, return_tensors="pt").input_ids
        caption = torch.cat([caption, torch.tensor([[2]])], 1).expand(16, -1)
        embeddings = torch.nn.functional.normalize(torch.randn(16, DIM), dim=-1)

        def step() -> None:
            optimizer.zero_grad()
            prefix = projector(embeddings * DIM**0.5)[:, None]
            embeds = torch.cat([self.embeds(prefix), self.model.get_input_embeddings()(caption)], 1)
            labels = torch.full(embeds.shape[:2], -100)
            labels[:, -caption.shape[1]:] = caption
            adapted(inputs_embeds=embeds, labels=labels).loss.backward()
            torch.nn.utils.clip_grad_norm_(tuned, 1.0)
            optimizer.step()

        seconds = best(step)
        self.model = adapted.unload().eval()
        return seconds


def floor(numbers: int) -> float:
    """Best seconds to read so many f32 numbers from memory."""
    weights, other = torch.ones(numbers), torch.ones(numbers)
    lowest = float("inf")
    for _ in range(10):
        other.sum()
        begin = time.perf_counter()
        weights.sum()
        lowest = min(lowest, time.perf_counter() - begin)
    return lowest


def ours(kinds: list[str]) -> dict[str, float]:
    """Best seconds a call of criterion's samples. The work is libtorch's: the dev profile, which is
    optimised here, is as fast and has been built already."""
    command = ["cargo", "bench", "--quiet", "--profile", "dev", "-p", "benches", "--bench", "language_model",
               "--", f"/({'|'.join(kinds)})_"]
    environment = os.environ | {"OMP_NUM_THREADS": str(THREADS)}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    found = {}
    for path in (TARGET / "criterion" / "language_model").glob("*/new/sample.json"):
        sample, name = json.loads(path.read_text()), path.parts[-3]
        if name.split("_")[0] in kinds:
            found[name] = min(t / n for t, n in zip(sample["times"], sample["iters"])) / 1e9
    return found


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    kinds = ["f32", *sys.argv[2:]]
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    reference = Reference()
    numbers = sum(parameter.numel() for parameter in reference.model.parameters())
    theirs: dict[str, float] = {}
    mine: dict[str, float] = {}
    lowest = float("inf")
    for _ in range(rounds):
        lowest = min(lowest, floor(numbers))
        for name, batch, beams in CASES:
            key = f"{name}_{batch}"
            theirs[key] = min(theirs.get(key, float("inf")), reference.generate(batch, beams))
        theirs["tuning_16"] = min(theirs.get("tuning_16", float("inf")), reference.tune())
        for key, seconds in ours(kinds).items():
            mine[key] = min(mine.get(key, float("inf")), seconds)
    print(f"transformers {transformers.__version__}, torch {torch.__version__}, {THREADS} threads; "
          f"f32 weights read once in {lowest * 1e3:.1f} ms")
    print("| case | transformers, tokens/s | ours f32 | ratio | ours bf16 | ours f32, floors a token |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, batch, _ in CASES:
        key, tokens = f"{name}_{batch}", batch * TOKENS
        own, half = mine[f"f32_{key}"], mine.get(f"bf16_{key}")
        floors = f"{own / TOKENS / lowest:.2f}" if batch == 1 else ""
        print(f"| {name}, batch {batch} | {tokens / theirs[key]:.0f} | {tokens / own:.0f} | "
              f"{theirs[key] / own:.2f} | {f'{tokens / half:.0f}' if half else ''} | {floors} |")
    step = mine["f32_tuning_16"] / STEPS
    print(f"| tuning step, batch 16 (steps/s) | {1 / theirs['tuning_16']:.2f} | {1 / step:.2f} | "
          f"{theirs['tuning_16'] / step:.2f} | | |")


if __name__ == "__main__":
    main()
