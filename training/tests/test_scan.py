"""The kernels of scan.py against automatic differentiation of the plain recurrence. Needs a GPU, or Triton's interpreter:
TRITON_INTERPRET=1 pytest training/tests"""

import pytest
import torch

from scan import selective_scan, selective_scan_plain

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.mark.parametrize("batch,length,d,n", [(3, 5, 8, 4), (1, 1, 16, 2), (5, 9, 32, 16)])
def test_scan_and_gradients_equal_the_plain_recurrence(batch, length, d, n):
    generator = torch.Generator().manual_seed(batch)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    values = [
        draw(batch, length, d).abs(),
        draw(batch, length, d),
        draw(batch, length, n),
        draw(batch, length, n),
        -draw(d, n).exp(),
    ]
    weights = draw(batch, length, d)
    results = []
    for scan, dtype, device in ((selective_scan, torch.float32, DEVICE), (selective_scan_plain, torch.float64, "cpu")):
        inputs = [value.to(device, dtype, copy=True).requires_grad_() for value in values]
        y = scan(*inputs)
        (y * weights.to(device, dtype)).sum().backward()
        results.append([y.detach()] + [value.grad for value in inputs])
    for ours, right in zip(*results):
        assert torch.allclose(ours.cpu().double(), right, rtol=1e-4, atol=1e-5)
