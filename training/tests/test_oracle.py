"""The generator of right answers against fixtures that it did not make: those of tiny-mamba1 and tiny-mamba2 are by the
paper authors' code, those of tiny-gpt2 by transformers with a mask per layer."""

import json
from pathlib import Path

import pytest

from facts import read_atlas
from oracle import Oracle, draw

TRAINED = Path(__file__).parents[2] / "test" / "fixtures" / "trained" / "first"
TOLERANCE = 2e-5  # relative, on probabilities: two float32 computations of 12 to 24 layers


@pytest.mark.parametrize("name", ["tiny-mamba1", "tiny-mamba2", "tiny-gpt2"])
def test_tokens_and_curves_equal_those_of_other_code(name):
    oracle = Oracle(str(TRAINED / name))
    effect = 0
    for right in json.loads((TRAINED / f"{name}.json").read_text(encoding="utf-8"))[:3]:
        record = {**right, "answer": " " + right["answer"].lstrip()}
        ours = oracle.case(record, right["window"], list(right["curves"]))
        for key in ("tokens", "subjectTokens", "answerToken"):
            assert ours[key] == right[key]
        assert ours["baseProb"] == pytest.approx(right["baseProb"], rel=TOLERANCE)
        assert len(right["curves"]) >= 4
        for curve, probs in right["curves"].items():
            assert ours["curves"][curve] == pytest.approx(probs, rel=TOLERANCE, abs=0), curve
            effect = max(effect, *(abs(prob / right["baseProb"] - 1) for prob in probs))
    assert effect > 1000 * TOLERANCE  # or agreement would mean nothing


def test_draws_different_records_of_all_relations_and_phrasings():
    records = read_atlas("held-out")
    drawn = draw(records, 40, seed=0)
    assert drawn == draw(records, 40, seed=0) != draw(records, 40, seed=1)
    assert len({record["id"] for record in drawn}) == 40
    for key in ("relation", "phrasing"):
        assert {record[key] for record in drawn} == {record[key] for record in records}
