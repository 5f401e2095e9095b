"""Small checkpoints, and damage to files."""

import random
from typing import Any

import torch


def small_checkpoint(**entries: Any) -> dict[str, Any]:
    """What every checkpoint holds, with other entries over it."""
    content = {
        "epoch": 0,
        "global_step": 1,
        "pytorch-lightning_version": "2.6.0",
        "state_dict": {"weight": torch.arange(3.0)},
        "loops": {},
        "atft": {},
    }
    return {**content, **entries}


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The bytes of a file after what disks and transfers do to one: bits, blocks, ends."""
    place, length = rng.randrange(len(content)), rng.choice((1, 16, 512))
    ways = (
        content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :],
        content[:place] + bytes(min(length, len(content) - place)) + content[place + length :],
        content[:place] + rng.randbytes(length) + content[place + length :],
        content[:place] + content[place + length :],
        content[:place] + rng.randbytes(length) + content[place:],
        content[:place],
        content + rng.randbytes(length),
    )
    return rng.choice(ways)


def same(one: Any, other: Any) -> bool:
    """Whether two contents of checkpoints are equal to the bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return (
            isinstance(other, dict) and list(one) == list(other) and all(same(one[k], other[k]) for k in one)
        )
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)
