"""Repeatable random numbers: the same key gives the same picture on every machine."""

from collections.abc import Sequence
from hashlib import shake_256
from typing import TypeVar

from PIL import Image

Choice = TypeVar("Choice")


class Chance:
    """An endless stream of numbers that depends only on its key."""

    def __init__(self, *key: object) -> None:
        self._key = repr(key)
        self._drawn = 0

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * int.from_bytes(self._bytes(4), "big") / 2**32

    def pick(self, choices: Sequence[Choice]) -> Choice:
        return choices[int.from_bytes(self._bytes(4), "big") % len(choices)]

    def noise(self, width: int, height: int) -> Image.Image:
        """Return a gray image of random pixels."""
        return Image.frombytes("L", (width, height), self._bytes(width * height))

    def _bytes(self, count: int) -> bytes:
        self._drawn += 1
        return shake_256(f"{self._key} {self._drawn}".encode()).digest(count)
