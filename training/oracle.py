"""Right answers for attention knockouts on a trained Mamba-1, Mamba-2 or GPT-2 checkpoint (Hugging Face layout).

    python training/oracle.py MODEL_DIR --facts 40 --seed 0 > test/fixtures/trained/NAME.json

Shares no code with src/ or test/reference: the weights and everything but the token mixers are Hugging Face
transformers', the knockout is its plain definition (ARCHITECTURE.md, "The method"), one whole run of the model per
knockout, float32, on the CPU. Prints one case per prompt, in the format of `TrainedCase` in test/helpers/oracle.ts.
"""

import argparse
import json
import random
import sys
from collections import Counter
from functools import partial
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch.nn.functional import softplus
from transformers import AutoModelForCausalLM

from facts import prompt_and_answer, read_atlas

MAMBA_CURVES = ("subject", "subject:context-dependent", "subject:context-independent")
ROLES = ("relation", "relation-minus-last", "first", "last")
CURVES = {"mamba": MAMBA_CURVES + ROLES, "mamba2": MAMBA_CURVES + ROLES, "gpt2": ("subject", *ROLES)}
WINDOWS = {"mamba": (9, 1, 3, 5), "mamba2": (9, 1, 3, 5), "gpt2": (6, 1, 3, 4)}  # the first for a third of the prompts
LOGIT_TOLERANCE = 1e-4  # of an empty knockout, against transformers' own forward: two float32 computations
ROWS = 8  # runs at a time: the mixer's [ROWS, T, D, N] still fits the caches


class Knockout(NamedTuple):
    """In each of `layers` the last token receives nothing from `sources` through the features of a category."""

    layers: range
    sources: list[int]
    features: str = "all"


def knocked_features(A_log: torch.Tensor) -> dict[str, torch.Tensor]:
    """A category -> the indices of the features (Mamba-1: channels, Mamba-2: heads) that it knocks out.

    Features are ranked by the L1 norm over N of exp(-exp(A_log)), in float64; large means slow decay. Of equal norms
    the first are kept. A_log: [F, N], of Mamba-2 [F].
    """
    norms = torch.exp(-torch.exp(A_log.detach().double())).reshape(len(A_log), -1).abs().sum(-1)
    third = len(norms) // 3
    kept = {"context-dependent": norms, "context-independent": -norms}  # fastest third, slowest third
    knocked = {name: torch.argsort(key, stable=True)[third:] for name, key in kept.items()}
    return {"all": torch.arange(len(norms)), **knocked}


def keep_mask(knockouts: list[Knockout], layer: int, length: int, knocked: dict[str, torch.Tensor]) -> torch.Tensor:
    """[rows, T, T, F], row, target, source, feature: 0 where a row's knockout cuts, else 1."""
    keep = torch.ones(len(knockouts), length, length, len(knocked["all"]))
    for row, knockout in enumerate(knockouts):
        if layer in knockout.layers:
            for source in knockout.sources:
                keep[row, -1, source, knocked[knockout.features]] = 0
    return keep


def implicit_attention(delta: torch.Tensor, A: torch.Tensor, B: torch.Tensor, C: torch.Tensor) -> torch.Tensor:
    """alpha[t, s] = C_t^T (prod_{k=s+1..t} exp(Delta_k A)) Delta_s B_s for s <= t, else 0: [rows, T, T, F].

    delta: [rows, T, F]; A: [F, N], of Mamba-2 [F, 1]; B, C: [rows, T, 1 or F, N].
    """
    rows, length, features = delta.shape
    alpha = torch.zeros(rows, length, length, features)
    step = torch.exp(delta[..., None] * A)
    decay = torch.zeros_like(step)  # at s: the product from s + 1 to t
    for t in range(length):
        decay[:, :t] *= step[:, t, None]
        decay[:, t] = 1
        upto = slice(t + 1)
        alpha[:, t, upto] = (decay[:, upto] * (C[:, t, None] * B[:, upto])).sum(-1) * delta[:, upto]
    return alpha


def mamba1_mixer(mixer, layer: int, runs: list[Knockout], h: torch.Tensor, **_) -> torch.Tensor:
    """Mamba-1's (Gu and Dao 2023), with the modules of transformers' MambaMixer; h: [rows, T, dModel]. Per channel,

    y_t = sum_s keep[t, s] alpha[t, s] u_s + D u_t
    """
    length = h.shape[1]
    u, z = mixer.in_proj(h).chunk(2, -1)
    u = mixer.act(mixer.conv1d(u.transpose(1, 2))[..., :length].transpose(1, 2))
    r, B, C = mixer.x_proj(u).split([mixer.time_step_rank, mixer.ssm_state_size, mixer.ssm_state_size], -1)
    delta = softplus(mixer.dt_proj(r))
    alpha = implicit_attention(delta, -torch.exp(mixer.A_log), B[:, :, None], C[:, :, None])
    alpha = alpha * keep_mask(runs, layer, length, knocked_features(mixer.A_log))
    y = torch.einsum("rtsd,rsd->rtd", alpha, u) + mixer.D * u
    return mixer.out_proj(y * mixer.act(z))


def mamba2_mixer(mixer, layer: int, runs: list[Knockout], h: torch.Tensor, **_) -> torch.Tensor:
    """Mamba-2's (Dao and Gu 2024), with the modules of transformers' Mamba2Mixer; h: [rows, T, dModel]. Per head,

    y_t = sum_s keep[t, s] alpha[t, s] x_s + D x_t, x_s of P channels; groups of heads share B and C
    """
    rows, length, _ = h.shape
    heads, groups, width = mixer.num_heads, mixer.n_groups, mixer.n_groups * mixer.ssm_state_size
    z, xBC, dt = mixer.in_proj(h).split([mixer.intermediate_size, mixer.conv_dim, heads], -1)
    xBC = mixer.act(mixer.conv1d(xBC.transpose(1, 2))[..., :length].transpose(1, 2))
    x, B, C = xBC.split([mixer.intermediate_size, width, width], -1)
    x = x.reshape(rows, length, heads, -1)
    B, C = (one.reshape(rows, length, groups, -1).repeat_interleave(heads // groups, 2) for one in (B, C))
    dt = softplus(dt + mixer.dt_bias).clamp(*mixer.time_step_limit)
    alpha = implicit_attention(dt, -torch.exp(mixer.A_log)[:, None], B, C)
    alpha = alpha * keep_mask(runs, layer, length, knocked_features(mixer.A_log))
    y = torch.einsum("rtsh,rshp->rthp", alpha, x) + mixer.D[:, None] * x
    return mixer.out_proj(mixer.norm(y.reshape(rows, length, -1), z))


def gpt2_mask(layer: int, runs: list[Knockout], _, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """A pre-hook of transformers' GPT2Attention: what is added to the scores, [rows, 1, T, T], is minus infinity where
    the source comes after the target or is cut."""
    keep = keep_mask(runs, layer, args[0].shape[1], {"all": torch.arange(1)})[..., 0].tril()
    assert keep.any(-1).all(), "a target must keep a source: its attention would be undefined"
    return args, {**kwargs, "attention_mask": keep.log()[:, None]}


class Oracle:
    """A checkpoint twice: `plain` as transformers runs it, and `model` with the knockouts in `runs`, one per row."""

    def __init__(self, folder: str):
        self.tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        options = dict(dtype=torch.float32, attn_implementation="eager")
        self.plain, self.model = (AutoModelForCausalLM.from_pretrained(folder, **options).eval() for _ in range(2))
        self.runs: list[Knockout] = []
        self.kind, self.layers = self.model.config.model_type, self.model.config.num_hidden_layers
        if self.kind == "gpt2":
            for layer, block in enumerate(self.model.transformer.h):
                block.attn.register_forward_pre_hook(partial(gpt2_mask, layer, self.runs), with_kwargs=True)
        else:
            mixer = {"mamba": mamba1_mixer, "mamba2": mamba2_mixer}[self.kind]
            for layer, block in enumerate(self.model.backbone.layers):
                block.mixer.forward = partial(mixer, block.mixer, layer, self.runs)

    @torch.no_grad()
    def logits(self, ids: list[int], knockouts: list[Knockout]) -> torch.Tensor:
        """After the last token, under each of the knockouts: [knockouts, vocabulary]."""
        parts = []
        for begin in range(0, len(knockouts), ROWS):
            self.runs[:] = knockouts[begin : begin + ROWS]
            parts.append(self.model(torch.tensor([ids] * len(self.runs)), use_cache=False).logits[:, -1])
        return torch.cat(parts)

    @torch.no_grad()
    def case(self, record: dict, window: int, names: list[str] | None = None) -> dict:
        """The right answers for one record: a `TrainedCase`; `names` are the curves, by default all there can be."""
        ids, (answer, *_) = prompt_and_answer(self.tokenizer, record)
        subject = subject_tokens(self.tokenizer, record)
        roles = role_positions(len(ids), subject)
        if names is None:
            most = len(ids) - (self.kind == "gpt2")  # attention to nothing is undefined
            names = [name for name in CURVES[self.kind] if 0 < len(roles[name.partition(":")[0]]) <= most]
        starts = range(self.layers - window + 1)
        assert starts, f"a window of {window} in {self.layers} layers"
        knockouts = [Knockout(range(0), [])]
        for role, _, features in (name.partition(":") for name in names):
            knockouts += [Knockout(range(at, at + window), roles[role], features or "all") for at in starts]
        logits = self.logits(ids, knockouts)
        difference = (logits[0] - self.plain(torch.tensor([ids]), use_cache=False).logits[0, -1]).abs().max().item()
        assert difference <= LOGIT_TOLERANCE, f"empty knockout: logits differ from transformers' by {difference}"
        # float64: a float32 sum over the vocabulary would lose digits of probabilities near 1
        base, *probs = logits.double().softmax(-1)[:, answer].tolist()
        curves = {name: probs[n * len(starts) : (n + 1) * len(starts)] for n, name in enumerate(names)}
        return {
            **{key: record[key] for key in ("id", "prompt", "subject", "answer", "relation") if key in record},
            **dict(tokens=ids, subjectTokens=subject, answerToken=answer, baseProb=digits(base), window=window),
            "curves": {name: [digits(prob) for prob in curve] for name, curve in curves.items()},
        }


def digits(value: float) -> float:
    """8 significant ones."""
    return float(f"{value:.8g}")


def subject_tokens(tokenizer: Tokenizer, record: dict) -> list[int]:
    """Positions of the prompt's tokens whose characters overlap the subject's, other than its leading space."""
    prompt, subject = record["prompt"], record["subject"].lstrip(" ")
    assert prompt.count(subject) == 1, f"{prompt}: must hold the subject exactly once: {subject}"
    begin = prompt.index(subject)
    offsets = tokenizer.encode(prompt).offsets
    return [at for at, (first, end) in enumerate(offsets) if first < begin + len(subject) and end > begin]


def role_positions(length: int, subject: list[int]) -> dict[str, list[int]]:
    """A role -> its positions."""
    relation = [at for at in range(length) if at not in subject]
    but_last = [at for at in relation if at != length - 1]
    return dict(zip(("subject", *ROLES), (subject, relation, but_last, [0], [length - 1]), strict=True))


def draw(records: list[dict], count: int, seed: int) -> list[dict]:
    """Different records, each of a relation, and among those of a phrasing, that was drawn least before."""
    left = random.Random(seed).sample(records, len(records))
    drawn, times = [], Counter()
    while left and len(drawn) < count:
        record = min(left, key=lambda one: (times[one["relation"]], times[one["phrasing"]]))
        times.update([record["relation"], record["phrasing"]])
        left.remove(record)
        drawn.append(record)
    return drawn


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder as transformers writes it")
    parser.add_argument("--facts", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    oracle = Oracle(arguments.model)
    often, *others = WINDOWS[oracle.kind]
    cases = []
    for n, record in enumerate(draw(read_atlas("held-out"), arguments.facts, arguments.seed)):
        window = others[(n - n // 3 - 1) % len(others)] if n % 3 else often
        cases.append(oracle.case(record, window))
    json.dump(cases, sys.stdout, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main()
