"""The random weights of bench/random-values.ts, which says how they are made: the same numbers, bit for bit
(test/bench/random-values.test.ts), so a machine without Node measures the same model."""

import math
import re
from functools import cache

import numpy as np

BLOCK = 2**20 - 3
FORWARD = 7919
ONES = re.compile(r"norm.*weight$|ln_.*weight$|mixer\.D$")
STEP_BIAS = re.compile(r"dt_(proj\.)?bias$")


def mix(x: np.ndarray) -> np.ndarray:
    """MurmurHash3's finaliser, of 32-bit words (public domain, Austin Appleby)."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def random_words(seed: int, first: int, count: int) -> np.ndarray:
    """Words `first` to `first + count - 1` of a seed's sequence: uint32 [count]."""
    steps = np.arange(first, first + count, dtype=np.uint64) * 0x9E3779B9
    return mix(mix(np.array([seed], np.uint32)) + steps.astype(np.uint32))


@cache
def random_block(seed: int) -> np.ndarray:
    """float32 [BLOCK], from -0.5 to below 0.5."""
    numbers = (random_words(seed, 0, BLOCK) >> np.uint32(8)).astype(np.float32)
    return (numbers - np.float32(2**23)) * np.float32(2**-24)


def place(name: str) -> int:
    """Where in the block a tensor begins: FNV-1a of its name."""
    word = 0x811C9DC5
    for byte in name.encode():
        word = (word ^ byte) * 0x01000193 & 0xFFFFFFFF
    return word % BLOCK


def values(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """A tensor of a random model: float32 of `shape`."""
    count, width = math.prod(shape), math.prod(shape[1:])
    if name.endswith("A_log"):
        channels = np.arange(shape[0], dtype=np.int64) * FORWARD % shape[0]
        apart = ((channels + 0.5) / shape[0] - 0.5).astype(np.float32)
        states = np.array([math.log(1 + n) for n in range(width)], np.float32)
        return (apart[:, None] + states).reshape(shape)
    if ONES.search(name):
        return np.ones(shape, np.float32)
    at = place(name)
    drawn = np.resize(np.roll(random_block(seed), -at), count).reshape(shape)
    if STEP_BIAS.search(name):
        return np.float32(-2) - np.float32(4) * drawn
    drawn *= np.float32(math.sqrt(12) / math.sqrt(width if len(shape) > 1 else 12))
    return drawn
