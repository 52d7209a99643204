"""The paper authors' code (nirendy/mamba-knockout), imported from a checkout of it, on a model of random weights.

None of it is copied or changed. What it needs to run beside a newer transformers, without its command line and the
Hub, is given to it from outside; README.md lists that.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

import torch
import transformers
from transformers import cache_utils
from transformers.models.llama import modeling_llama

NEEDED = "src/experiments/infrastructure/model_interface.py"

# Imported by the authors' code for type hints, command lines and jobs on Slurm, none of which is reached here.
NOT_REACHED = ("beartype", "jaxtyping", "pandas", "pyrallis", "submitit")

# What transformers no longer has (or has elsewhere), imported by the authors' code for its type hints.
HINTS = ((cache_utils, "MambaCache"), (modeling_llama, "FlashAttentionKwargs"))

# The authors name a category after the third of the features that it keeps.
CATEGORIES = {"all": "ALL", "context-dependent": "FAST_DECAY", "context-independent": "SLOW_DECAY"}

Weights = Callable[[str, tuple[int, ...]], torch.Tensor]


def open_authors(path: Path) -> None:
    """Make the checkout at `path` importable. Raises ValueError when it is none, ImportError when a package is missing."""
    if not (path / NEEDED).is_file():
        raise ValueError(f"--peer: must be a checkout of nirendy/mamba-knockout, got {path} without {NEEDED}")
    sys.path.insert(0, str(path))
    # The authors' code refuses the names of other users.
    os.environ["USER"] = "other"
    for module, name in HINTS:
        if not hasattr(module, name):
            setattr(module, name, dict)
    absent = [name for name in NOT_REACHED if importlib.util.find_spec(name) is None]
    sys.modules.update({name: MagicMock() for name in absent})
    importlib.import_module("src.experiments.infrastructure.model_interface")
    for name in absent:  # Others ask whether they are installed.
        del sys.modules[name]


def mamba2(config: dict, device: str) -> torch.nn.Module:
    """The authors' own Mamba-2, which they use in place of transformers'."""
    from src.experiments.knockout.mamba.mamba2.minimal_mamba2 import Mamba2Config, Mamba2LMHeadModel

    c = transformers.Mamba2Config(**config)
    sizes = Mamba2Config(
        d_model=c.hidden_size,
        n_layer=c.num_hidden_layers,
        d_state=c.state_size,
        d_conv=c.conv_kernel,
        expand=c.expand,
        headdim=c.head_dim,
        vocab_size=c.vocab_size,
    )
    return Mamba2LMHeadModel(sizes, device=device)


def build(config: dict, weights: Weights, device: str) -> torch.nn.Module:
    """A model by its config.json, its parameters (tied ones once) filled by their names in transformers."""
    with torch.device(device):
        if config["model_type"] == "mamba2":
            model = mamba2(config, device)
        else:
            settings = transformers.AutoConfig.for_model(**config)
            model = transformers.AutoModelForCausalLM.from_config(settings)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            name = name.replace("backbone.embedding.", "backbone.embeddings.")
            parameter.copy_(weights(name, tuple(parameter.shape)))
    return model


class Authors:
    """One of the authors' model interfaces, and their way of asking it about a knockout."""

    def __init__(self, config: dict, weights: Weights, device: str):
        from src.core.types import FeatureCategory
        from src.experiments.infrastructure import model_interface

        model = build(config, weights, device)
        # In place of a download: the tokenizer is not needed, as prompts are token ids.
        model_interface.get_tokenizer_and_model = lambda *_: (None, model)
        self.categories = {ours: FeatureCategory[theirs] for ours, theirs in CATEGORIES.items()}
        if config["model_type"] == "mamba2":
            self.interface = model_interface.Mamba2Interface("random", device)
        else:
            falcon = config["model_type"] == "falcon_mamba"
            self.interface = model_interface.Mamba1Interface("random", device, is_falcon=falcon)

    def tokens(self, ids: list[int]) -> torch.Tensor:
        return torch.tensor([ids], device=self.interface.device)

    def base(self, tokens: torch.Tensor, answer: int) -> float:
        """The answer's probability without a knockout."""
        self.interface.setup()
        return float(self.interface.generate_logits(tokens, None, self.categories["all"])[0, answer])

    def knockout(self, tokens: torch.Tensor, answer: int, knockout) -> float:
        """The answer's probability under a knockout: the body of the loop in src/experiments/runners/info_flow.py."""
        self.interface.setup(layers=knockout.layers)
        edges = [(target, source) for source in knockout.sources for target in knockout.targets]
        probs = self.interface.generate_logits(
            input_ids=tokens,
            num_to_masks={layer: edges for layer in knockout.layers},
            feature_category=self.categories[knockout.features],
        )
        return float(probs[0, answer])
