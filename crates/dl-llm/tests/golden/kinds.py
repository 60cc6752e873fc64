"""Golden files of the kinds of Llama that the transformers library knows: one toy model each, seeded
random weights, what it computes after a prefix of embeddings, and what it generates there.
Run: python kinds.py <output directory>
Made with transformers 5.23.0 and torch 2.11.0 (CPU, f32)."""

import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

HIDDEN, VOCAB, PREFIX, LENGTH, NEW = 16, 32, 5, 42, 14
KINDS = {
    "biased": {
        "attention_bias": True,
        "mlp_bias": True,
        "head_dim": 6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
    },
    "linear": {"rope_parameters": {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}},
    "dynamic": {
        "max_position_embeddings": 32,
        "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 2.0},
    },
    "llama3": {
        "max_position_embeddings": 256,
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 500_000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    },
    "yarn": {
        "max_position_embeddings": 128,
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 10_000.0,
            "factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    },
}
SEARCHES = {
    "greedy": {"num_beams": 1},
    "greedy_no_repeat": {"num_beams": 1, "no_repeat_ngram_size": 2},
    "beams": {"num_beams": 4, "length_penalty": 1.0, "early_stopping": False},
    "beams_early": {"num_beams": 3, "length_penalty": 0.6, "early_stopping": True},
    "beams_never": {"num_beams": 3, "length_penalty": 2.0, "early_stopping": "never"},
    "beams_no_repeat": {"num_beams": 4, "no_repeat_ngram_size": 2, "early_stopping": False},
}


def main() -> None:
    out = Path(sys.argv[1])
    print("transformers", transformers.__version__, "torch", torch.__version__)
    torch.set_num_threads(1)
    for number, (name, options) in enumerate(KINDS.items()):
        torch.manual_seed(30 + number)
        tied = name == "llama3"
        settings = {"max_position_embeddings": 64, "initializer_range": 0.5} | options
        config = transformers.LlamaConfig(
            vocab_size=VOCAB,
            hidden_size=HIDDEN,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=24,
            rms_norm_eps=1e-5,
            tie_word_embeddings=tied,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
            attn_implementation="eager",
            **settings,
        )
        model = transformers.LlamaForCausalLM(config).eval()
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                if "norm" in parameter_name:
                    parameter.uniform_(0.5, 1.5)
                elif parameter_name.endswith("bias"):
                    parameter.normal_(0.0, 0.3)
        folder = out / f"llama_{name}"
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        if name == "biased":
            # The form of older models.
            torch.save(model.state_dict(), folder / "pytorch_model.bin")
        prefix = torch.randn(6, PREFIX, HIDDEN)
        tokens = torch.randint(3, VOCAB, (6, LENGTH - PREFIX))
        tensors = {"prefix": prefix, "tokens": tokens}
        with torch.no_grad():
            embeds = torch.cat([prefix, model.get_input_embeddings()(tokens)], 1)
            tensors["logits"] = model(inputs_embeds=embeds[:2]).logits.contiguous()
            # Short enough for every kind to be within its original length.
            start = embeds[:, : PREFIX + 4]
            for search, arguments in SEARCHES.items():
                found = model.generate(
                    inputs_embeds=start,
                    attention_mask=torch.ones(start.shape[:2], dtype=torch.long),
                    max_new_tokens=NEW,
                    do_sample=False,
                    **arguments,
                )
                padded = torch.zeros(len(found), NEW, dtype=torch.long)
                padded[:, : found.shape[1]] = found
                tensors[f"search.{search}"] = padded
                print(name, search, [(row == 2).any().item() for row in found])
        save_file(tensors, folder / "expected.safetensors")
        print(name, tensors["logits"].std().item())


if __name__ == "__main__":
    main()
