"""Damage to any bytes: each mutation takes a random generator and the bytes, and gives other bytes."""

import re
from random import Random

N_MOST = 6  # mutations of one file
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 10**6, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
HEADER_BYTES = 256
TAG = re.compile(rb"[A-Za-z][A-Za-z0-9_ -]{3}")  # what boxes and chunks are called


def mutated(rng: Random, data: bytes, others: list[bytes]) -> bytes:
    """Some mutations after another; others: what may be spliced in."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, N_MOST))):
        data = splice(rng, data, rng.choice(others)) if rng.random() < 0.08 else rng.choice(MUTATIONS)(rng, data)
    return data


def place(rng: Random, data: bytes) -> int:
    """Anywhere, half of the time in the header, where the numbers that matter stand."""
    return rng.randrange(min(len(data), HEADER_BYTES) if rng.random() < 0.5 else len(data)) if data else 0


def flip_bits(rng: Random, data: bytes) -> bytes:
    copy = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if copy else 0):
        copy[place(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(copy)


def overwrite(rng: Random, data: bytes) -> bytes:
    at, n = place(rng, data), rng.choice((1, 2, 4, 16, 512))
    run = rng.choice((b"\0" * n, b"\xff" * n, rng.randbytes(n)))
    return data[:at] + run + data[at + n :]


def set_number(rng: Random, data: bytes) -> bytes:
    """A size, rate or count made extreme: in the header, or beside the name of a box or chunk."""
    n_bytes = rng.choice((1, 2, 4, 4, 8))
    names = [found.start() for found in TAG.finditer(data[:4096])]
    at = rng.choice(names) + rng.choice((-8, -4, 4, 8, 12, 16)) if names and rng.random() < 0.6 else place(rng, data)
    at = max(at, 0)
    value = (rng.choice(EXTREMES) & (256**n_bytes - 1)).to_bytes(n_bytes, rng.choice(("little", "big")))
    return data[:at] + value + data[at + n_bytes :]


def truncate(rng: Random, data: bytes) -> bytes:
    return data[: place(rng, data)]


def behead(rng: Random, data: bytes) -> bytes:
    return data[place(rng, data) :]


def stretch(rng: Random, data: bytes) -> tuple[int, int]:
    """From the name of one chunk to another's, or from anywhere to anywhere."""
    names = [found.start() for found in TAG.finditer(data[:65536])]
    if len(names) > 1 and rng.random() < 0.5:
        first, last = sorted((rng.choice(names), rng.choice(names)))
    else:
        first = place(rng, data)
        last = first + rng.choice((1, 4, 100, 5000))
    return max(first - rng.choice((0, 4)), 0), last


def remove(rng: Random, data: bytes) -> bytes:
    first, last = stretch(rng, data)
    return data[:first] + data[last:]


def repeat(rng: Random, data: bytes) -> bytes:
    first, last = stretch(rng, data)
    last = min(last, first + 20_000)
    return data[:last] + data[first:last] * rng.choice((1, 2, 20)) + data[last:]


def move(rng: Random, data: bytes) -> bytes:
    first, last = stretch(rng, data)
    rest = data[:first] + data[last:]
    at = place(rng, rest)
    return rest[:at] + data[first:last] + rest[at:]


def append(rng: Random, data: bytes) -> bytes:
    return data + rng.choice((rng.randbytes(3000), b"\0" * 5000, data[:4000], b"TAG" + b" " * 125))


def prepend(rng: Random, data: bytes) -> bytes:
    return (
        rng.choice((rng.randbytes(64), b"\0" * 1000, b"\xef\xbb\xbf", b"ID3\x04\0\0\0\0\x01\x00" + b"\0" * 128)) + data
    )


def splice(rng: Random, data: bytes, other: bytes) -> bytes:
    return data[: place(rng, data)] + other[place(rng, other) :]


MUTATIONS = (
    flip_bits, flip_bits, overwrite, set_number, set_number, set_number, truncate, behead, remove, repeat, move,
    append, prepend,
)  # fmt: skip
