"""Train the embedded models on data/atlas.jsonl.

    python training/train.py                          # all three, to the end
    python training/train.py --seconds 540            # a piece; the same command again goes on where it stopped

Meant for one CUDA GPU (README.md has the time it takes); without one it runs on the CPU, for days. Finished models are
written to --out in float16; what an interrupted run needs to go on lies in --work. Seeded: the same command gives the
same data order and initial weights; sums on a GPU differ in their last bits from run to run, and so do the trained
weights.
"""

import argparse
import contextlib
import hashlib
import json
import os
import sys
import time
from pathlib import Path

import torch

from architectures import MODELS, build, compiled, logits
from evaluate import accuracy, complete
from facts import END, read_atlas, to_tensors, train_tokenizer
from optimizer import optimizers

VOCABULARY = 4096
SEED = 1
# Steps of each model, in the order of training. Every step draws BATCH records.
STEPS = {"tiny-gpt2": 3000, "tiny-mamba2": 4000, "tiny-mamba1": 4000}
BATCH = 1024
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.5
# The convolution's taps on earlier tokens start at zero and decay this much (per learning rate), so they stay small.
# Without this, 24 layers of convolutions carry the facts of short prompts past the state space, and a model learns
# (subject, wording) pairs by heart and fails on the wording it has not seen (README.md has the comparison).
TAP_DECAY = 10.0
PROMPT_WEIGHT = 0.1
# Records of at most this many tokens are computed apart from the longer ones, so that padding costs little.
SHORT = 16
# Steps between reports; a run stops, or is saved, only then.
REPORT = 500
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--out", type=Path, default=Path("models"), help="where finished models go")
    parser.add_argument("--work", type=Path, default=Path("out/training"), help="where unfinished ones stay")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after about so long")
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    arguments = parser.parse_args()
    if DEVICE == "cpu":
        say("no CUDA GPU: this will take days")
    deadline = time.monotonic() + arguments.seconds
    torch.backends.cuda.matmul.allow_tf32 = True

    train, held_out = read_atlas("train"), read_atlas("held-out")
    tokenizer = train_tokenizer(train, VOCABULARY)
    data = to_tensors(tokenizer, train, PROMPT_WEIGHT)
    say(f"{len(train)} records of {len(held_out)} facts, up to {data.ids.shape[1]} tokens")
    for name in arguments.models:
        work, out = arguments.work / name, arguments.out / name
        work.mkdir(parents=True, exist_ok=True)
        steps = arguments.steps or STEPS[name]
        recipe = fingerprint(data, steps)
        if (work / "done.json").exists():
            check(json.loads((work / "done.json").read_text())["recipe"], recipe, work)
            say(f"{name}: done before")
            continue
        if deadline - time.monotonic() < 30:
            sys.exit("train.py: time is up; run the same command again to go on")
        run = Training(name, data, work, steps, recipe)
        run.run(deadline, lambda model: held_out_sample(model, tokenizer, held_out))
        if run.step < run.steps:
            sys.exit(f"train.py: time is up at step {run.step} of {name}; run the same command again to go on")
        finish(run.model, tokenizer, out)
        result = dict(model=name, recipe=recipe, steps=run.step, seconds=round(run.seconds))
        result |= accuracy(held_out, complete(run.model.float(), tokenizer, held_out))
        (work / "done.json").write_text(json.dumps(result, indent=1))
        say(json.dumps(result))
        del run
        if DEVICE == "cuda":
            torch.cuda.empty_cache()


class Training:
    """One model's training; on a GPU a whole step is a CUDA graph that is replayed."""

    def __init__(self, name, data, work, steps, recipe):
        self.name, self.work, self.steps, self.recipe = name, work, steps, recipe
        torch.manual_seed(SEED)
        self.model = build(name, VOCABULARY)
        self.convolutions = own_token_alone(self.model)
        if name == "tiny-gpt2":
            gpt2_weights(self.model)
        self.model.to(DEVICE)
        self.lr = torch.tensor(0.0, device=DEVICE)
        self.optimizers = optimizers(self.model, self.lr, WEIGHT_DECAY)
        self.generator = torch.Generator(DEVICE).manual_seed(SEED)
        self.step, self.seconds = 0, 0.0
        lengths = (data.weights > 0).sum(1)
        self.parts = [
            Part(data, lengths <= SHORT, SHORT),
            Part(data, lengths > SHORT, data.ids.shape[1]),
        ]
        share = len(self.parts[1].ids) / len(lengths)
        rows = max(8, round(BATCH * share / 8) * 8)
        self.batches = [torch.zeros(n, dtype=torch.long, device=DEVICE) for n in (BATCH - rows, rows)]
        self.load()

    def run(self, deadline, evaluate):
        begin = time.monotonic()
        replay = self.capture()
        ready = f"ready after {time.monotonic() - begin:.0f} s"
        say(f"{self.name}: {count(self.model)} parameters, step {self.step} of {self.steps}, {ready}")
        begin, first = time.monotonic(), self.step
        saved = begin
        while self.step < self.steps:
            self.lr.fill_(LEARNING_RATE * schedule(self.step / self.steps))
            for part, batch in zip(self.parts, self.batches):
                chances = 0.2 + part.recent.clamp(max=1)
                batch.copy_(torch.multinomial(chances, len(batch), True, generator=self.generator))
            replay()
            self.step += 1
            if self.step % REPORT == 0 or self.step == self.steps:
                synchronize()
                now = time.monotonic()
                losses = torch.cat([part.recent for part in self.parts])
                line = dict(step=self.step, loss=round(self.loss.item(), 4), answer_loss=round(losses.mean().item(), 5))
                line |= dict(hard=int((losses > 0.7).sum()), ms=round(1000 * (now - begin) / (self.step - first), 2))
                if self.step % (4 * REPORT) == 0:
                    line["held_out"] = evaluate(self.model)
                say(f"{self.name}: {json.dumps(line)}")
                if now > deadline - 15:
                    break
                if now - saved > 120:
                    self.save()
                    saved = time.monotonic()
        synchronize()
        self.seconds += time.monotonic() - begin
        self.save()

    def capture(self):
        """Run a step a few times to compile and to make the optimizers' state, put everything back, and record a step."""
        weights = [parameter.detach().clone() for parameter in self.model.parameters()]
        stream = torch.cuda.Stream() if DEVICE == "cuda" else None
        if stream:
            stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream) if stream else contextlib.nullcontext():
            for _ in range(3):
                self.one_step()
            self.restore(weights)
        if not stream:
            return self.one_step
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.one_step()
        self.restore(weights)
        return graph.replay

    def one_step(self):
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=DEVICE)
        weight = sum(part.weights[batch][:, 1:].sum() for part, batch in zip(self.parts, self.batches))
        for part, batch in zip(self.parts, self.batches):
            ids = part.ids[batch]
            with torch.autocast(DEVICE, dtype=torch.bfloat16, enabled=DEVICE == "cuda"):
                predicted = logits(self.model, ids)
            loss, per_record = weighted_loss(predicted, ids, part.weights[batch], part.answers[batch])
            (loss / weight).backward()
            total = total + loss.detach() / weight
            part.recent[batch] = per_record.detach()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        with torch.no_grad():
            for weight in self.convolutions:
                weight[..., :-1] *= 1 - TAP_DECAY * self.lr
        self.loss = total

    @torch.no_grad()
    def restore(self, weights):
        """Put weights, each record's loss and the optimizers' state (the loaded one, or zeros) into the tensors in use."""
        torch._foreach_copy_(list(self.model.parameters()), weights)
        for part in self.parts:
            part.recent.copy_(part.recent_at_start)
        for optimizer, loaded in zip(self.optimizers, self.loaded_states):
            for i, tensor in enumerate(tensors_of(optimizer)):
                tensor.copy_(loaded[i]) if loaded else tensor.zero_()

    def load(self):
        file = self.work / "state.pt"
        self.loaded_states = [None] * len(self.optimizers)
        if file.exists():
            state = torch.load(file, map_location=DEVICE, weights_only=True)
            check(state["recipe"], self.recipe, self.work)
            self.model.load_state_dict(state["model"])
            self.loaded_states = state["optimizers"]
            self.generator.set_state(state["generator"].cpu())
            self.step, self.seconds = state["step"], state["seconds"]
            for part, recent in zip(self.parts, state["recent"]):
                part.recent.copy_(recent)
        for part in self.parts:
            part.recent_at_start = part.recent.clone()

    def save(self):
        temporary = self.work / "state.pt.part"
        torch.save(
            dict(
                model=self.model.state_dict(), optimizers=[tensors_of(optimizer) for optimizer in self.optimizers],
                generator=self.generator.get_state(), step=self.step, seconds=self.seconds,
                recent=[part.recent for part in self.parts], recipe=self.recipe,
            ),
            temporary,
        )  # fmt: skip
        os.replace(temporary, self.work / "state.pt")


class Part:
    """Records of about one length, on the GPU, with each one's latest loss: hard ones are drawn more often."""

    def __init__(self, data, chosen, width):
        self.ids = data.ids[chosen, :width].to(DEVICE)
        self.weights = data.weights[chosen, :width].to(DEVICE)
        self.answers = data.answers[chosen, :width].to(DEVICE)
        self.recent = torch.ones(len(self.ids), device=DEVICE)


@compiled
def weighted_loss(predicted, ids, weights, answers):
    """predicted [B, T, V] -> the weighted sum of all tokens' losses, and each record's mean loss on its answer [B]"""
    predicted = predicted[:, :-1].float()
    right = predicted.gather(2, ids[:, 1:, None])[..., 0]
    losses = predicted.logsumexp(-1) - right
    answers = answers[:, 1:]
    return (losses * weights[:, 1:]).sum(), (losses * answers).sum(1) / answers.sum(1)


@torch.no_grad()
def own_token_alone(model):
    """Let the convolutions of a Mamba begin as the identity. Their weights are [D, 1, k], taps on earlier tokens first."""
    convolutions = [parameter for name, parameter in model.named_parameters() if name.endswith("conv1d.weight")]
    for weight in convolutions:
        weight[..., :-1] = 0
        weight[..., -1] = 1
    return convolutions


@torch.no_grad()
def gpt2_weights(model, std=0.02):
    """Initial matrices of GPT-2: 0.02, and those that write to the residual stream less, so that layers add up to as much."""
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            parameter.normal_(0, std / (model.config.n_layer**0.5 if name.endswith("c_proj.weight") else 1))


def schedule(done):
    """Share of the learning rate: a short rise, a plateau, a straight line to nothing."""
    return min(1.0, done / 0.03, (1 - done) / 0.5)


def tensors_of(optimizer):
    return [tensor for state in optimizer.state.values() for tensor in state.values() if torch.is_tensor(tensor)]


def held_out_sample(model, tokenizer, records):
    some = records[:: max(1, len(records) // 1024)]
    return round(accuracy(some, complete(model, tokenizer, some))["right"] / len(some), 4)


def finish(model, tokenizer, out):
    model.half().save_pretrained(out)
    tokenizer.save(str(out / "tokenizer.json"))
    # For AutoTokenizer, of transformers 4 and 5.
    config = dict(tokenizer_class="PreTrainedTokenizerFast", bos_token=END, eos_token=END, pad_token=END)
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def fingerprint(data, steps):
    """What a run is of: its data, its steps and the code of the recipe. A run goes on only with the same."""
    digest = hashlib.sha256(f"{VOCABULARY} {BATCH} {steps}".encode() + data.ids.numpy().tobytes())
    for name in ("train.py", "architectures.py", "optimizer.py", "scan.py"):
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()


def check(stored, recipe, work):
    if stored != recipe:
        sys.exit(f"train.py: {work} must be of the same data and recipe, got others; remove it to train anew")


def synchronize():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    main()
