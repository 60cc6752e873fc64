"""The synthetic test signal, in integers alone so that tests/common/mod.rs makes the same one."""

import numpy as np


def synthetic(length: int) -> np.ndarray:
    """A chirp of sawtooth shape with noise, silent from 30,000 to 40,000: int16 [length]."""
    n = np.arange(length, dtype=np.int64)
    chirp = ((n * n * 3 >> 5) & 0xFFFF) - 0x8000
    noise = np.empty(length, dtype=np.int64)
    state = 1
    for i in range(length):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        noise[i] = (state >> 16) - 0x8000
    mixed = (chirp >> 1) + (noise >> 4)
    mixed[30_000:40_000] = 0
    return mixed.astype(np.int16)
