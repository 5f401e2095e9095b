"""Damage to bytes, as disks, copies and edits do it: flipped, zeroed, overwritten, cut, moved."""

import random


def damaged(rng: random.Random, data: bytes) -> tuple[bytes, str]:
    """Other bytes than ``data`` and what was done to them; ``data`` is not empty."""
    ways = (_flip, _flip, _overwrite, _zero, _cut_end, _cut_inside, _swap, _repeat, _append)
    while True:
        way = rng.choice(ways)
        after = way(rng, data)
        if after != data:
            return after, way.__name__.strip("_").replace("_", " ")


def _span(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = rng.randrange(len(data))
    return start, min(len(data), start + rng.choice((1, 4, 64, 512, 4096)))


def _flip(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _overwrite(rng: random.Random, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + rng.randbytes(stop - start) + data[stop:]


def _zero(rng: random.Random, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + bytes(stop - start) + data[stop:]


def _cut_end(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.choice((0, 1, 7, len(data) - 1, rng.randrange(len(data))))]


def _cut_inside(rng: random.Random, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + data[stop:]


def _swap(rng: random.Random, data: bytes) -> bytes:
    """Two blocks of one length change places."""
    start, stop = _span(rng, data)
    size = stop - start
    other = rng.randrange(len(data) - size + 1)
    if abs(other - start) < size:
        return data
    a, b = sorted((start, other))
    return data[:a] + data[b : b + size] + data[a + size : b] + data[a : a + size] + data[b + size :]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    start, stop = _span(rng, data)
    return data[:stop] + data[start:stop] + data[stop:]


def _append(rng: random.Random, data: bytes) -> bytes:
    return data + rng.randbytes(rng.choice((1, 8, 1000)))
