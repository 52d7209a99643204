"""The unit of work of bench/work.ts: one prompt, and some of its knockouts. compare.ts checks that both say the same."""

from dataclasses import asdict, dataclass

from values import random_words

LENGTH = 12
SUBJECT = (3, 4, 5)
TOKEN_SEED = 1
CURVES = (
    ("subject", "all"),
    ("subject", "context-dependent"),
    ("subject", "context-independent"),
    ("relation", "all"),
    ("relation-minus-last", "all"),
    ("relation-minus-last", "context-dependent"),
    ("last", "all"),
    ("first", "all"),
)
POSITIONS = {
    "subject": list(SUBJECT),
    "relation": [i for i in range(LENGTH) if i not in SUBJECT],
    "relation-minus-last": [i for i in range(LENGTH - 1) if i not in SUBJECT],
    "last": [LENGTH - 1],
    "first": [0],
}


@dataclass(frozen=True)
class Knockout:
    """In each of `layers` the `targets` receive nothing from the `sources`, positions, through some features."""

    layers: list[int]
    sources: list[int]
    targets: list[int]
    features: str


@dataclass(frozen=True)
class Work:
    ids: list[int]
    answer: int
    per_prompt: int  # knockouts of the whole unit
    knockouts: list[Knockout]  # the sample

    def to_json(self) -> dict:
        return {
            "ids": self.ids,
            "answer": self.answer,
            "perPrompt": self.per_prompt,
            "knockouts": [asdict(knockout) for knockout in self.knockouts],
        }


def default_window(layers: int) -> int:
    return 9 if layers >= 24 else max(1, int(layers / 3 + 0.5))


def unit_of_work(layers: int, vocabulary: int, sample: int) -> Work:
    """The first prompt, and `sample` of its knockouts, spread over the windows and the kinds."""
    *ids, answer = (int(word) % vocabulary for word in random_words(TOKEN_SEED, 0, LENGTH + 1))
    window = default_window(layers)
    windows = layers - window + 1
    per_prompt = windows * len(CURVES)
    count = min(sample, per_prompt)
    knockouts = []
    for i in range(count):
        first = (2 * i + 1) * windows // (2 * count)
        role, features = CURVES[i % len(CURVES)]
        layers_of = list(range(first, first + window))
        knockouts.append(Knockout(layers_of, POSITIONS[role], [LENGTH - 1], features))
    return Work(ids, answer, per_prompt, knockouts)
