"""The three models as Hugging Face classes, and a faster way to compute the same logits while training.

The classes of transformers hold the weights and define the model: `build` makes one, `save_pretrained` writes it, and
test_architectures.py holds `logits` to what the class computes. `logits` compiles one function per layer (the layers of
a model share it) and leaves the scan of Mamba-1 to scan.py.

Shapes: B prompts, T tokens, d model width, D inner width, N state size, H heads of P channels.
"""

import torch
import torch.nn.functional as F
from transformers import GPT2Config, GPT2LMHeadModel, Mamba2Config, Mamba2ForCausalLM, MambaConfig, MambaForCausalLM

from scan import selective_scan, selective_scan_plain

MODELS = ("tiny-gpt2", "tiny-mamba2", "tiny-mamba1")


def build(name: str, vocab_size: int, width: int = 128, layers: int | None = None):
    """A model with fresh weights; `<|endoftext|>` is token 0."""
    common = dict(vocab_size=vocab_size, bos_token_id=0, eos_token_id=0)
    # Steps for prompts of about ten tokens: states that last for tens of tokens rather than thousands.
    steps = dict(time_step_min=0.01, time_step_max=0.5)
    if name == "tiny-mamba1":
        return MambaForCausalLM(
            MambaConfig(
                **common, **steps, pad_token_id=0, hidden_size=width, num_hidden_layers=layers or 24, state_size=16
            )  # fmt: skip
        )
    if name == "tiny-mamba2":
        return Mamba2ForCausalLM(
            Mamba2Config(
                **common, **steps, pad_token_id=0, hidden_size=width, num_hidden_layers=layers or 24, state_size=64,
                head_dim=32, num_heads=2 * width // 32, n_groups=1, expand=2, chunk_size=32, tie_word_embeddings=True,
            )  # fmt: skip
        )
    if name == "tiny-gpt2":
        return GPT2LMHeadModel(
            GPT2Config(
                **common, n_embd=width, n_layer=layers or 12, n_head=4, n_positions=64,
                resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
            )  # fmt: skip
        )
    raise ValueError(f"model: must be one of {', '.join(MODELS)}, got {name!r}; name one of them")


def logits(model, ids):
    """ids [B, T] -> logits [B, T, vocabulary], float32; padding may stand on the right (causal models do not see it)."""
    if model.config.model_type == "gpt2":
        body = model.transformer
        h = body.wte(ids) + body.wpe.weight[: ids.shape[1]]
        for layer in body.h:
            attn, mlp = layer.attn, layer.mlp
            h = _gpt2_layer(
                h, layer.ln_1.weight, layer.ln_1.bias, attn.c_attn.weight, attn.c_attn.bias, attn.c_proj.weight,
                attn.c_proj.bias, layer.ln_2.weight, layer.ln_2.bias, mlp.c_fc.weight, mlp.c_fc.bias,
                mlp.c_proj.weight, mlp.c_proj.bias, attn.num_heads,
            )  # fmt: skip
        return model.lm_head(body.ln_f(h)).float()
    h = model.backbone.embeddings(ids)
    for layer in model.backbone.layers:
        m = layer.mixer
        if model.config.model_type == "mamba":
            dt, x, b, c, z = _mamba1_before(
                h, layer.norm.weight, m.in_proj.weight, m.conv1d.weight, m.conv1d.bias, m.x_proj.weight,
                m.dt_proj.weight, m.dt_proj.bias, m.A_log.shape[1],
            )  # fmt: skip
            scan = selective_scan if h.is_cuda else selective_scan_plain
            y = scan(dt, x, b, c, -torch.exp(m.A_log))
            h = _mamba1_after(h, y, x, z, m.D, m.out_proj.weight)
        else:
            h = _mamba2_layer(
                h, layer.norm.weight, m.in_proj.weight, m.conv1d.weight, m.conv1d.bias, m.dt_bias, m.A_log, m.D,
                m.norm.weight, m.out_proj.weight, m.head_dim, m.ssm_state_size,
            )  # fmt: skip
    return model.lm_head(_rms_norm(h, model.backbone.norm_f.weight)).float()


def _rms_norm(x, weight, eps=1e-5):
    x = x.float()
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def _convolution(x, weight, bias):
    """Causal depthwise convolution and SiLU: x [B, T, D], weight [D, 1, k]. As k shifted products, which fuse."""
    k = weight.shape[-1]
    padded = F.pad(x, (0, 0, k - 1, 0))
    y = bias + sum(padded[:, i : i + x.shape[1]] * weight[:, 0, i] for i in range(k))
    return F.silu(y)


def compiled(layer):
    """Compile on GPUs only: on a CPU the plain code is there for tests."""
    fast = torch.compile(layer, dynamic=False)
    return lambda *arguments: (fast if arguments[0].is_cuda else layer)(*arguments)


@compiled
def _mamba1_before(h, norm, in_proj, conv_weight, conv_bias, x_proj, dt_weight, dt_bias, n: int):
    x, z = F.linear(_rms_norm(h, norm), in_proj).chunk(2, -1)
    x = _convolution(x, conv_weight, conv_bias)
    dt, b, c = F.linear(x, x_proj).split([dt_weight.shape[1], n, n], -1)
    dt = F.softplus(F.linear(dt, dt_weight).float() + dt_bias)
    return dt, x, b, c, z


@compiled
def _mamba1_after(h, y, x, z, skip, out_proj):
    return h + F.linear((y + skip * x) * F.silu(z), out_proj)


@compiled
def _mamba2_layer(h, norm, in_proj, conv_weight, conv_bias, dt_bias, a_log, skip, gated_norm, out_proj, p: int, n: int):
    """Mamba-2 in its dual form: masked attention with decays (Dao and Gu 2024, section 5)."""
    batch, length, _ = h.shape
    heads = a_log.shape[0]
    inner = heads * p
    z, xbc, dt = F.linear(_rms_norm(h, norm), in_proj).split([inner, inner + 2 * n, heads], -1)
    x, b, c = _convolution(xbc, conv_weight, conv_bias).split([inner, n, n], -1)
    dt = F.softplus(dt.float() + dt_bias)
    total = (-torch.exp(a_log) * dt).cumsum(1)
    causal = torch.ones(length, length, device=h.device, dtype=torch.bool).tril()
    decay = torch.exp((total[:, :, None] - total[:, None]).masked_fill(~causal[:, :, None], -torch.inf))
    attention = (c @ b.transpose(1, 2))[..., None] * decay * dt[:, None]
    heads_of_x = x.view(batch, length, heads, p)
    y = (attention.permute(0, 3, 1, 2).to(x.dtype) @ heads_of_x.transpose(1, 2)).transpose(1, 2)
    y = (y + skip[:, None] * heads_of_x).reshape(batch, length, inner)
    return h + F.linear(_rms_norm(y.float() * F.silu(z.float()), gated_norm), out_proj)


@compiled
def _gpt2_layer(h, w1, b1, qkv_w, qkv_b, out_w, out_b, w2, b2, fc_w, fc_b, proj_w, proj_b, heads: int):
    batch, length, width = h.shape
    qkv = F.linear(F.layer_norm(h, (width,), w1, b1), qkv_w.t(), qkv_b)
    q, k, v = (part.view(batch, length, heads, -1).transpose(1, 2) for part in qkv.chunk(3, -1))
    scores = q @ k.transpose(2, 3) / (width // heads) ** 0.5
    causal = torch.ones(length, length, device=h.device, dtype=torch.bool).tril()
    weights = scores.float().masked_fill(~causal, -torch.inf).softmax(-1).to(v.dtype)
    mixed = (weights @ v).transpose(1, 2).reshape(batch, length, width)
    h = h + F.linear(mixed, out_w.t(), out_b)
    hidden = F.gelu(F.linear(F.layer_norm(h, (width,), w2, b2), fc_w.t(), fc_b), approximate="tanh")
    return h + F.linear(hidden, proj_w.t(), proj_b)
