"""What a trained checkpoint (Hugging Face layout) writes after prompts, by Hugging Face transformers alone.

    python training/continuations.py MODEL_DIR > test/fixtures/trained/continuations/NAME.json

Greedy, and nothing ends it: the token with the largest logit is appended, `<|endoftext|>` like any other, and the whole
model is run again. float32, on the CPU. Prints one case per held-out prompt, drawn as those of oracle.py are; the texts
are what transformers decodes.
"""

import argparse
import json
import sys

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from facts import prompt_and_answer, read_atlas
from oracle import digits, draw


@torch.no_grad()
def continuation(model, ids: list[int], count: int) -> list[int]:
    """The `count` tokens that follow."""
    written = []
    for _ in range(count):
        logits = model(torch.tensor([ids + written]), use_cache=False).logits[0, -1]
        written.append(logits.argmax().item())
    return written


@torch.no_grad()
def top(model, ids: list[int], count: int) -> list[tuple[int, float]]:
    """The most probable next tokens and their probabilities, summed in float64 as those of oracle.py are."""
    probs = model(torch.tensor([ids]), use_cache=False).logits[0, -1].double().softmax(-1)
    values, tokens = probs.topk(count)
    return [(token, digits(prob)) for token, prob in zip(tokens.tolist(), values.tolist())]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder as transformers writes it")
    parser.add_argument("--facts", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=8)
    parser.add_argument("--top", type=int, default=5)
    arguments = parser.parse_args()
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{arguments.model}/tokenizer.json")
    cases = []
    for record in draw(read_atlas("held-out"), arguments.facts, arguments.seed):
        ids, answer = prompt_and_answer(tokenizer.backend_tokenizer, record)
        written = continuation(model, ids, arguments.tokens)
        cases.append(
            {
                **{key: record[key] for key in ("id", "prompt", "subject", "answer")},
                **dict(tokens=ids, answerTokens=answer, top=top(model, ids, arguments.top), continuation=written),
                "text": tokenizer.decode(written, clean_up_tokenization_spaces=False),
            }
        )
    json.dump(cases, sys.stdout, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main()
