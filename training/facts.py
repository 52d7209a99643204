"""The facts of data/atlas.jsonl as a tokenizer and as tensors."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

ATLAS = Path(__file__).parent.parent / "data" / "atlas.jsonl"
END = "<|endoftext|>"


def read_atlas(split: str, path: Path = ATLAS) -> list[dict]:
    """The records of a split, `train` or `held-out`, in the file's order."""
    with open(path, encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return [record for record in records if record["split"] == split]


def train_tokenizer(records: list[dict], vocab_size: int) -> Tokenizer:
    """A byte-level BPE, as that of GPT-2, trained on the given records; token 0 ends a text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((record["prompt"] + record["answer"] + "." for record in records), trainer)
    return tokenizer


def prompt_and_answer(tokenizer: Tokenizer, record: dict) -> tuple[list[int], list[int]]:
    """The token ids of the prompt and of the answer as it follows the prompt."""
    prompt = tokenizer.encode(record["prompt"]).ids
    whole = tokenizer.encode(record["prompt"] + record["answer"]).ids
    if whole[: len(prompt)] != prompt:
        raise ValueError(f"{record['id']}: prompt and answer must not share a token; rewrite the prompt")
    return prompt, whole[len(prompt) :]


@dataclass
class Batchable:
    """Records as tensors, padded on the right with token 0."""

    ids: torch.Tensor  # [records, T]: prompt, answer, full stop, <|endoftext|>
    weights: torch.Tensor  # [records, T]: the loss's weight of predicting this token from those before it; 0 in padding
    answers: torch.Tensor  # [records, T]: 1 where a token of the answer stands


def to_tensors(tokenizer: Tokenizer, records: list[dict], prompt_weight: float) -> Batchable:
    """The tokens of answer, full stop and end weigh 1; those of the prompt, which is mostly names that nobody can
    guess, weigh `prompt_weight`."""
    texts = tokenizer.encode_batch([record["prompt"] + record["answer"] + "." for record in records])
    prompts = tokenizer.encode_batch([record["prompt"] for record in records])
    width = max(len(text.ids) for text in texts) + 1
    ids = torch.zeros(len(records), width, dtype=torch.long)
    weights = torch.zeros(len(records), width)
    answers = torch.zeros(len(records), width)
    for row, (text, prompt) in enumerate(zip(texts, prompts)):
        begin, end = len(prompt.ids), len(text.ids)
        ids[row, :end] = torch.tensor(text.ids)
        weights[row, :begin] = prompt_weight
        weights[row, begin : end + 1] = 1
        answers[row, begin : end - 1] = 1
    return Batchable(ids, weights, answers)
