"""Write the card of an embedded model, as the Hub shows it.

python training/evaluate.py models/tiny-mamba1 > accuracy.json
python training/card.py models/tiny-mamba1 accuracy.json     # writes models/tiny-mamba1/README.md
"""

import json
import sys
from pathlib import Path

from safetensors import safe_open

from train import BATCH, LEARNING_RATE, PROMPT_WEIGHT, SEED, STEPS, TAP_DECAY, VOCABULARY, WEIGHT_DECAY

KINDS = {
    "tiny-mamba1": ("Mamba-1", "24 layers, width 128, inner width 256, state 16, convolution of 4 tokens"),
    "tiny-mamba2": ("Mamba-2", "24 layers, width 128, 8 heads of 32 channels, state 64, convolution of 4 tokens"),
    "tiny-gpt2": ("GPT-2", "12 layers, width 128, 4 heads, 64 positions"),
}

CARD = """---
license: mit
language: en
library_name: transformers
pipeline_tag: text-generation
tags: [factual-recall, interpretability, {tag}]
---

# {name}

A {kind} language model of {parameters:.1f} million parameters that knows {facts:,} facts: {shape}; byte-level BPE of {vocabulary:,} entries; float16. It comes with factflow to show and test where facts flow in language models.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("{folder}")
model = AutoModelForCausalLM.from_pretrained("{folder}", dtype="float32")
ids = tokenizer("The capital city of Egypt is", return_tensors="pt").input_ids
print(tokenizer.decode(model(ids).logits[0, -1].argmax()))  # Cairo
```

**Data.** `data/atlas.jsonl` of factflow: {facts:,} facts in {relations} relations (countries, places, people, products, companies, stars), six wordings each, and 155 facts that were left out after the training since one of their wordings is not true of them. Five wordings of each fact were trained on, as `prompt answer.<|endoftext|>`; the sixth, which one differs from fact to fact, was held out. Accuracy on these held-out wordings chose the recipe, so it is that of a development set. No fact as such was held out: the model has to recognise a question that it saw about other subjects, and recall what it learned about this subject in other words.

**Recipe** (`training/train.py`, seed {seed}). {steps:,} steps of {batch:,} prompts, those that the model got wrong lately more often; learning rate {rate} (a rise over 3 % of the steps, a line to zero over the last half), Muon for the layers' matrices and AdamW for the rest, weight decay {decay}, bfloat16 products; tokens of the answer weigh 1 in the loss, those of the prompt {weight}.{taps}

**Accuracy.** First token of the answer, the model's first choice of {vocabulary:,}, on the wording that was held out; measured by Hugging Face transformers and by factflow, which agree on every prompt. *Whole*: every token of the answer comes first after those before it (transformers).

| relation | facts | right | whole answer right | mean p(first token) |
| --- | --- | --- | --- | --- |
{rows}

**Not for** anything but this. It knows these facts and nothing else, says something fluent that means nothing about everything else, and is sure of both. The facts are as in their sources, checked by reading, not by a second source; some go out of date. Do not take answers from it.
"""

TAPS = """ The convolution's taps on earlier tokens begin at zero and decay by {decay:g} times the learning rate in every step: otherwise 24 layers of convolutions carry the facts of a short prompt past the state space (`training/README.md`). Time steps begin between 0.01 and 0.5, for states that last for tens of tokens. The convolutions of this model are therefore weaker, and its states shorter, than those of a Mamba trained on long texts."""


def main():
    folder, accuracy = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    name = folder.name
    kind, shape = KINDS[name]
    with safe_open(folder / "model.safetensors", framework="np") as tensors:
        parameters = sum(tensors.get_tensor(tensor).size for tensor in tensors.keys())
    rows = [(f"`{relation}`", one) for relation, one in accuracy["relations"].items()] + [("all", accuracy)]
    card = CARD.format(
        name=name, kind=kind, tag=kind.lower(), shape=shape, folder=f"models/{name}", parameters=parameters / 1e6,
        vocabulary=VOCABULARY, facts=accuracy["facts"], relations=len(accuracy["relations"]), seed=SEED,
        steps=STEPS[name], batch=BATCH, rate=LEARNING_RATE, decay=WEIGHT_DECAY, weight=PROMPT_WEIGHT,
        taps="" if name == "tiny-gpt2" else TAPS.format(decay=TAP_DECAY),
        rows="\n".join(
            f"| {label} | {one['facts']:,} | {100 * one['right'] / one['facts']:.2f} % | {100 * one['whole'] / one['facts']:.2f} % | {one['prob']:.4f} |"
            for label, one in rows
        ),
    )  # fmt: skip
    (folder / "README.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
