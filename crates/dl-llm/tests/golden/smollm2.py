"""Golden numbers of SmolLM2-135M-Instruct from its GGUF file, as the transformers library reads it.
Run: python smollm2.py <directory with the GGUF file> <output directory>
Made with transformers 5.23.0, gguf 0.19.0 and torch 2.11.0 (CPU, f32)."""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
NEW, EVERY = 20, 31
PROMPTS = [
    "A dog barks while",
    "Rain falls on a roof and",
    "The sound of a train",
    "In the distance, a church bell",
    "Once upon a time there was",
    "The capital of France is",
    "Birds are chirping in the background as a man",
    "1, 2, 3, 4,",
    "<|im_start|>user\nDescribe the sound of the sea.<|im_end|>\n<|im_start|>assistant\n",
    "An engine idles, then",
]
TEXTS = [
    "A dog barks loudly, then a man's voice says \"hello\"!",
    "  Two   spaces, a tab\tand a line\nbreak ",
    "1234567 bees at 12:30; 3.14 is not 22/7",
    "caf\u00e9, na\u00efve, \u65e5\u672c\u8a9e, \U0001f600",
    "don't WON'T it'll they've I'm",
    "x" * 40,
]


def main() -> None:
    source, out = sys.argv[1], Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    print("transformers", transformers.__version__, "torch", torch.__version__)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, gguf_file=FILE)
    model = transformers.AutoModelForCausalLM.from_pretrained(source, gguf_file=FILE, dtype=torch.float32).eval()
    tensors, about = {}, {"prompts": [], "texts": []}
    for number, prompt in enumerate(PROMPTS):
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
        with torch.no_grad():
            logits = model(ids).logits[0]
            found = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, do_sample=False,
                                   num_beams=1, repetition_penalty=1.0, pad_token_id=2, eos_token_id=2)
        tensors[f"logits.{number}"] = logits[:, ::EVERY].contiguous()
        best = logits[-1].topk(2).values
        about["prompts"].append({
            "text": prompt,
            "tokens": ids[0].tolist(),
            "continuation": found[0, ids.shape[1]:].tolist(),
        })
        print(number, (best[0] - best[1]).item(), repr(tokenizer.decode(found[0, ids.shape[1]:])))
    about["texts"] = [{"text": text, "tokens": tokenizer(text, add_special_tokens=False).input_ids} for text in TEXTS]
    about["chat"] = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Describe the audio you hear."}], tokenize=False, add_generation_prompt=True
    )
    save_file(tensors, out / "smollm2.safetensors")
    (out / "smollm2.json").write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
