"""Time and memory of the paper authors' attention knockout on a model of random weights, and its probabilities.

    python bench/peer/peer.py --peer CHECKOUT --size mamba-130m --json out.json
    python bench/peer/peer.py --peer CHECKOUT --size mamba-2.8b --device cuda --json out.json

See README.md.
"""

import argparse
import importlib.util
import json
import platform
import resource
import sys
import time
from pathlib import Path

SIZES = Path(__file__).resolve().parent.parent / "sizes.json"
FAMILIES = ("mamba", "mamba2", "falcon_mamba")
WARM_UP = 2  # knockouts before the clock starts
KERNELS = ("mamba_ssm", "causal_conv1d", "kernels", "mambapy")

sys.dont_write_bytecode = True  # The checkout stays as it is.


def whole_number(least: int):
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} on, got {text!r}")
        return int(text)

    return parse


def arguments(sizes: dict) -> argparse.Namespace:
    known = [name for name, size in sizes.items() if size["config"]["model_type"] in FAMILIES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, required=True, help="a checkout of nirendy/mamba-knockout")
    parser.add_argument("--size", choices=known, default="mamba-130m", help="default: %(default)s")
    parser.add_argument("--seed", type=whole_number(0), default=0, help="of the weights; default: %(default)s")
    parser.add_argument("--checkpoint", type=Path, help="read the weights from this folder instead of making them")
    parser.add_argument("--knockouts", type=whole_number(1), default=16, help="in the sample; default: %(default)s")
    parser.add_argument("--rounds", type=whole_number(1), default=3, help="of the sample; default: %(default)s")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="default: %(default)s")
    parser.add_argument("--threads", type=whole_number(1), help="default: PyTorch's")
    parser.add_argument("--json", type=Path, required=True, help="the file to write")
    return parser.parse_args()


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def peak_bytes() -> int:
    """Most resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # Linux counts in KiB


def main() -> None:
    sizes = json.loads(SIZES.read_text())
    args = arguments(sizes)
    config = sizes[args.size]["config"]
    try:
        import torch
        import transformers
        from safetensors import safe_open

        from authors import Authors, open_authors
        from values import values
        from work import unit_of_work

        open_authors(args.peer)
    except ImportError as error:
        sys.exit(f"peer.py: {error}; pip install -r bench/peer/requirements.txt")
    except ValueError as error:
        sys.exit(f"peer.py: {error}")
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("peer.py: --device: PyTorch must see a GPU, got none; use --device cpu")
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    program = peak_bytes()

    def stored(name: str, _: tuple[int, ...]) -> torch.Tensor:
        # Opened anew for each tensor: the pages of a file that stays mapped would count as this process's memory.
        with safe_open(args.checkpoint / "model.safetensors", "pt") as file:
            return file.get_tensor(name)

    def made(name: str, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.from_numpy(values(name, shape, args.seed))

    authors = Authors(config, made if args.checkpoint is None else stored, args.device)
    work = unit_of_work(config["num_hidden_layers"], config["vocab_size"], args.knockouts)
    tokens = authors.tokens(work.ids)

    cuda = args.device == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()  # What loading took does not count.
    base = authors.base(tokens, work.answer)
    for knockout in work.knockouts[:WARM_UP]:
        authors.knockout(tokens, work.answer, knockout)
    rounds = []
    for _ in range(args.rounds):
        begin = time.perf_counter()
        probs = [authors.knockout(tokens, work.answer, knockout) for knockout in work.knockouts]
        rounds.append(time.perf_counter() - begin)
    per_knockout = min(rounds) / len(work.knockouts)
    result = {
        "size": args.size,
        "seed": args.seed,
        "work": work.to_json(),
        "base": base,
        "probs": probs,
        "roundSeconds": rounds,
        "secondsPerKnockout": per_knockout,
        "secondsPerPrompt": per_knockout * work.per_prompt,
        "programBytes": program,
        "peakBytes": peak_bytes(),
        "peakDeviceBytes": torch.cuda.max_memory_allocated() if cuda else None,
        "machine": {
            "processor": processor(),
            "threads": torch.get_num_threads(),
            "device": torch.cuda.get_device_name() if cuda else "cpu",
        },
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "kernels": [name for name in KERNELS if importlib.util.find_spec(name) is not None],
    }
    args.json.write_text(json.dumps(result, indent=1) + "\n")
    print(
        f"{args.size} on {result['machine']['device']}: {1000 * per_knockout:.1f} ms per knockout, "
        f"{result['secondsPerPrompt']:.2f} s per prompt ({work.per_prompt} knockouts)",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
