"""What training computes is what the classes of transformers compute."""

import pytest
import torch

from architectures import MODELS, build, logits


@pytest.mark.parametrize("name", MODELS)
def test_logits_equal_those_of_transformers(name):
    torch.manual_seed(3)
    model = build(name, vocab_size=50, width=32, layers=3).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        ids = torch.randint(1, 50, (4, 11))
        right = model(ids).logits
        ours = logits(model, ids)
    assert right.abs().max() > 0.1
    assert torch.allclose(ours, right, rtol=1e-4, atol=1e-4)
