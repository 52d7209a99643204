"""The whole of train.py on the CPU, on few facts and few steps: pieces give what one run gives, and what it writes opens."""

import json
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import train
from facts import read_atlas


@pytest.fixture
def small(monkeypatch):
    def few(split):
        return [record for record in read_atlas(split) if record["relation"] == "country_continent"][:100]

    for name, value in dict(VOCABULARY=400, BATCH=16, REPORT=2, SHORT=18, DEVICE="cpu", read_atlas=few).items():
        monkeypatch.setattr(train, name, value)
    ticks = iter(range(0, 10**9, 10))
    monkeypatch.setattr(train.time, "monotonic", lambda: next(ticks))  # ten seconds from look to look
    build = train.build
    monkeypatch.setattr(train, "build", lambda name, vocabulary: build(name, vocabulary, width=32, layers=2))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["train.py", *map(str, arguments)])
        train.main()

    return run


@pytest.mark.parametrize("name", ["tiny-gpt2", "tiny-mamba1"])
def test_pieces_give_what_one_run_gives(small, tmp_path, name, capsys):
    def at(run):
        return ["--models", name, "--steps", 6, "--out", tmp_path / run / "out", "--work", tmp_path / run / "work"]

    small(*at("whole"))
    for piece in range(2):
        # Enough to begin with, and up at the first report.
        with pytest.raises(SystemExit, match=f"time is up at step {2 * piece + 2} of {name}; run the same command"):
            small(*at("pieces"), "--seconds", 45)
        assert not (tmp_path / "pieces" / "out").exists()
    small(*at("pieces"))
    whole, pieces = (
        AutoModelForCausalLM.from_pretrained(tmp_path / run / "out" / name).state_dict() for run in ("whole", "pieces")
    )
    assert whole.keys() == pieces.keys()
    assert all(torch.equal(whole[key], pieces[key]) for key in whole)
    assert whole[next(iter(whole))].dtype == torch.float16
    done = json.loads((tmp_path / "pieces" / "work" / name / "done.json").read_text())
    assert done["steps"] == 6 and done["facts"] == 100 and 0 <= done["right"] <= 100
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "whole" / "out" / name)
    assert tokenizer.decode(tokenizer("Kabul is in Asia.").input_ids) == "Kabul is in Asia."

    capsys.readouterr()
    small(*at("pieces"))
    assert f"{name}: done before" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="must be of the same data and recipe, got others; remove it"):
        small(*at("pieces"), "--steps", 8)
