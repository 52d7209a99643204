"""Which facts of data/atlas.jsonl a model completes rightly, by Hugging Face transformers alone.

    python training/evaluate.py models/tiny-mamba1 [--split held-out] > accuracy.json

A fact counts as right when the answer's first token has the largest logit after the prompt, and as whole when that
holds for every token of the answer after those before it. Prints, as JSON, how many are right and whole and the mean
probability of the right first tokens, over all facts and per relation, and the ids of the facts that are not right.
"""

import argparse
import json
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from facts import prompt_and_answer, read_atlas


@dataclass
class Completion:
    """What a model says after a record's prompt."""

    right: bool  # the answer's first token comes first
    whole: bool  # so do all that follow, each after the ones before it
    prob: float  # of the answer's first token


@torch.no_grad()
def complete(model, tokenizer: Tokenizer, records: list[dict], batch: int = 512) -> dict[str, Completion]:
    """The model's completions of records, by their ids."""
    device = next(model.parameters()).device
    coded = sorted(
        ((record["id"], *prompt_and_answer(tokenizer, record)) for record in records), key=lambda one: len(one[1])
    )
    completions = {}
    for begin in range(0, len(coded), batch):
        some = coded[begin : begin + batch]
        ids = torch.zeros(len(some), max(len(prompt) + len(answer) for _, prompt, answer in some) - 1, dtype=torch.long)
        for row, (_, prompt, answer) in enumerate(some):
            ids[row, : len(prompt) + len(answer) - 1] = torch.tensor((prompt + answer)[:-1])
        logits = model(ids.to(device), use_cache=False).logits.cpu()
        for row, (name, prompt, answer) in enumerate(some):
            own = logits[row, len(prompt) - 1 : len(prompt) - 1 + len(answer)].double()
            hits = own.argmax(-1) == torch.tensor(answer)
            prob = own[0].softmax(-1)[answer[0]].item()
            completions[name] = Completion(bool(hits[0]), bool(hits.all()), prob)
    return completions


def accuracy(records: list[dict], completions: dict[str, Completion]) -> dict:
    """The facts, the right ones among them and the mean probability, of all records and per relation, by name."""

    def of(some: list[dict]) -> dict:
        own = [completions[record["id"]] for record in some]
        return dict(
            facts=len(own),
            right=sum(one.right for one in own),
            whole=sum(one.whole for one in own),
            prob=round(sum(one.prob for one in own) / len(own), 6),
        )

    names = sorted({record["relation"] for record in records})
    relations = {name: of([record for record in records if record["relation"] == name]) for name in names}
    return {**of(records), "relations": relations}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder as transformers writes it")
    parser.add_argument("--split", choices=["held-out", "train"], default="held-out")
    arguments = parser.parse_args()
    tokenizer = Tokenizer.from_file(f"{arguments.model}/tokenizer.json")
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    records = read_atlas(arguments.split)
    completions = complete(model, tokenizer, records)
    wrong = sorted(name for name, completion in completions.items() if not completion.right)
    print(json.dumps({"split": arguments.split, **accuracy(records, completions), "wrong": wrong}, indent=1))


if __name__ == "__main__":
    main()
