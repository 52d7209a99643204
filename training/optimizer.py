"""Muon for the matrices of the layers, AdamW for everything else.

Muon (Jordan et al. 2024) replaces a matrix's momentum by the nearest semi-orthogonal matrix, so that rare directions
(a single fact) are learned as fast as frequent ones. Its update is scaled to the size of one of AdamW's, 0.2 per entry
(Liu et al. 2025, "Muon is scalable for LLM training", equation 4), so that both share a learning rate.
"""

import torch

# Coefficients of the quintic Newton-Schulz iteration, as in Jordan et al.
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonal(matrices, iterations: int = 5):
    """The semi-orthogonal factor of each matrix, roughly: singular values end up between about 0.7 and 1.2. [K, m, n]"""
    x = matrices.bfloat16()
    wide = x if x.shape[1] <= x.shape[2] else x.transpose(1, 2)
    wide = wide / (wide.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = wide @ wide.transpose(1, 2)
        wide = A * wide + (B * gram + C * gram @ gram) @ wide
    return (wide if x.shape[1] <= x.shape[2] else wide.transpose(1, 2)).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """All matrices of one shape take their step together. `lr` may be a tensor, as CUDA graphs need."""

    def __init__(self, parameters, lr, momentum: float = 0.95, weight_decay: float = 0.0):
        by_shape = {}
        for parameter in parameters:
            by_shape.setdefault(parameter.shape, []).append(parameter)
        super().__init__(
            [{"params": same} for same in by_shape.values()],
            dict(lr=lr, momentum=momentum, weight_decay=weight_decay),
        )

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            parameters, lr = group["params"], group["lr"]
            state = self.state[parameters[0]]
            gradients = torch.stack([parameter.grad for parameter in parameters])
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(gradients)
            state["momentum"].lerp_(gradients, 1 - group["momentum"])
            nesterov = gradients.lerp(state["momentum"], group["momentum"])
            update = orthogonal(nesterov) * (0.2 * max(gradients.shape[1:]) ** 0.5 * lr)
            torch._foreach_mul_(parameters, 1 - lr * group["weight_decay"])
            torch._foreach_sub_(parameters, list(update.unbind(0)))


def optimizers(model, lr, weight_decay: float):
    """The optimizers that together cover all parameters of a model."""
    matrices, tables, rest = [], [], []
    for name, parameter in model.named_parameters():
        in_layer = ".layers." in name or ".h." in name
        if in_layer and parameter.ndim == 2 and not name.endswith("A_log"):
            matrices.append(parameter)
        elif parameter.ndim == 2 and not name.endswith("A_log"):
            tables.append(parameter)
        else:
            rest.append(parameter)
    adamw = torch.optim.AdamW(
        [
            {"params": tables, "weight_decay": weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ],
        lr=lr, betas=(0.9, 0.98), fused=matrices[0].is_cuda, capturable=matrices[0].is_cuda,
    )  # fmt: skip
    return [Muon(matrices, lr, weight_decay=weight_decay), adamw]
