"""The selective scan of Mamba-1 for training, as one Triton kernel forward and one backward.

    S_t = exp(dt_t A) * S_{t-1} + (dt_t x_t) B_t^T          y_t = S_t C_t          (Gu and Dao 2023, equation 2)

One program takes whole prompts: its state [D, N] stays in registers while it walks over the tokens. The backward
pass walks forward once more, leaves the states in a scratch buffer, and comes back along them. Prompts are short
(tens of tokens), so a scan over time costs little, and nothing of size [B, T, D, N] outlives a layer.
"""

import os

import torch
import triton
import triton.language as tl

# Programs that share the work. Enough to fill a GPU of 132 multiprocessors twice.
PROGRAMS = 264 if not os.environ.get("TRITON_INTERPRET") else 2


@triton.jit
def _forward(dt_ptr, x_ptr, b_ptr, c_ptr, a_ptr, y_ptr, batch, length, D: tl.constexpr, N: tl.constexpr):
    d = tl.arange(0, D)
    n = tl.arange(0, N)
    a = tl.load(a_ptr + d[:, None] * N + n[None, :])
    for item in range(tl.program_id(0), batch, tl.num_programs(0)):
        state = tl.zeros((D, N), dtype=tl.float32)
        for t in range(length):
            row = item * length + t
            dt = tl.load(dt_ptr + row * D + d).to(tl.float32)
            v = dt * tl.load(x_ptr + row * D + d).to(tl.float32)
            b = tl.load(b_ptr + row * N + n).to(tl.float32)
            c = tl.load(c_ptr + row * N + n).to(tl.float32)
            state = tl.exp(dt[:, None] * a) * state + v[:, None] * b[None, :]
            tl.store(y_ptr + row * D + d, tl.sum(state * c[None, :], axis=1))


@triton.jit
def _backward(
    dt_ptr, x_ptr, b_ptr, c_ptr, a_ptr, dy_ptr, states_ptr, ddt_ptr, dx_ptr, db_ptr, dc_ptr, da_ptr,
    batch, length, D: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    d = tl.arange(0, D)
    n = tl.arange(0, N)
    dn = d[:, None] * N + n[None, :]
    a = tl.load(a_ptr + dn)
    da = tl.zeros((D, N), dtype=tl.float32)
    # States before each token, [length, D, N]; this program's own.
    states = states_ptr + tl.program_id(0).to(tl.int64) * length * D * N
    for item in range(tl.program_id(0), batch, tl.num_programs(0)):
        state = tl.zeros((D, N), dtype=tl.float32)
        for t in range(length):
            tl.store(states + t * D * N + dn, state)
            row = item * length + t
            dt = tl.load(dt_ptr + row * D + d).to(tl.float32)
            v = dt * tl.load(x_ptr + row * D + d).to(tl.float32)
            b = tl.load(b_ptr + row * N + n).to(tl.float32)
            state = tl.exp(dt[:, None] * a) * state + v[:, None] * b[None, :]
        dstate = tl.zeros((D, N), dtype=tl.float32)
        for back in range(length):
            t = length - 1 - back
            row = item * length + t
            dt = tl.load(dt_ptr + row * D + d).to(tl.float32)
            x = tl.load(x_ptr + row * D + d).to(tl.float32)
            b = tl.load(b_ptr + row * N + n).to(tl.float32)
            c = tl.load(c_ptr + row * N + n).to(tl.float32)
            dy = tl.load(dy_ptr + row * D + d).to(tl.float32)
            before = tl.load(states + t * D * N + dn)
            decay = tl.exp(dt[:, None] * a)
            dstate += dy[:, None] * c[None, :]
            tl.store(dc_ptr + row * N + n, tl.sum(dy[:, None] * state, axis=0))
            tl.store(db_ptr + row * N + n, tl.sum(dstate * (dt * x)[:, None], axis=0))
            dv = tl.sum(dstate * b[None, :], axis=1)
            dlog = dstate * before * decay
            tl.store(dx_ptr + row * D + d, dv * dt)
            tl.store(ddt_ptr + row * D + d, dv * x + tl.sum(dlog * a, axis=1))
            da += dlog * dt[:, None]
            dstate *= decay
            state = before
    tl.store(da_ptr + tl.program_id(0) * D * N + dn, da)


class _SelectiveScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, dt, x, b, c, a):
        batch, length, d = dt.shape
        dt, x, b, c, a = (tensor.contiguous() for tensor in (dt, x, b, c, a))
        y = torch.empty(batch, length, d, device=dt.device, dtype=torch.float32)
        _forward[(min(PROGRAMS * 4, batch),)](dt, x, b, c, a, y, batch, length, D=d, N=a.shape[1], num_warps=8)
        ctx.save_for_backward(dt, x, b, c, a)
        return y

    @staticmethod
    def backward(ctx, dy):
        dt, x, b, c, a = ctx.saved_tensors
        batch, length, d = dt.shape
        n = a.shape[1]
        programs = min(PROGRAMS, batch)
        like = dict(device=dt.device, dtype=torch.float32)
        states = torch.empty(programs, length, d, n, **like)
        ddt, dx = torch.empty(batch, length, d, **like), torch.empty(batch, length, d, **like)
        db, dc = torch.empty(batch, length, n, **like), torch.empty(batch, length, n, **like)
        da = torch.empty(programs, d, n, **like)
        _backward[(programs,)](
            dt, x, b, c, a, dy.contiguous(), states, ddt, dx, db, dc, da, batch, length, D=d, N=n, num_warps=8
        )
        return ddt.to(dt.dtype), dx.to(x.dtype), db.to(b.dtype), dc.to(c.dtype), da.sum(0)


def selective_scan(dt, x, b, c, a):
    """dt, x [B, T, D]; b, c [B, T, N]; a [D, N], negative; y [B, T, D] in float32. D and N are powers of two."""
    return _SelectiveScan.apply(dt, x, b, c, a)


def selective_scan_plain(dt, x, b, c, a):
    """The same, token by token, for CPUs and for tests."""
    state = torch.zeros(dt.shape[0], *a.shape, dtype=dt.dtype, device=dt.device)
    out = []
    for t in range(dt.shape[1]):
        state = torch.exp(dt[:, t, :, None] * a) * state + (dt * x)[:, t, :, None] * b[:, t, None, :]
        out.append((state * c[:, t, None, :]).sum(-1))
    return torch.stack(out, 1)
