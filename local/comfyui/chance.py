"""Repeatable chance: the same key gives the same picture on every machine."""

from collections.abc import Sequence
from hashlib import shake_256
from typing import TypeVar

from PIL import Image

Choice = TypeVar("Choice")


class Chance:
    """An endless stream of numbers that depends on nothing but its key."""

    def __init__(self, *key: object) -> None:
        self._key = repr(key)
        self._drawn = 0

    def between(self, low: float, high: float) -> float:
        """A number from low to high."""
        return low + (high - low) * int.from_bytes(self._bytes(4), "big") / 2**32

    def pick(self, choices: Sequence[Choice]) -> Choice:
        """One of the choices."""
        return choices[int.from_bytes(self._bytes(4), "big") % len(choices)]

    def noise(self, width: int, height: int) -> Image.Image:
        """A grey image of nothing in particular."""
        return Image.frombytes("L", (width, height), self._bytes(width * height))

    def _bytes(self, count: int) -> bytes:
        self._drawn += 1
        return shake_256(f"{self._key} {self._drawn}".encode()).digest(count)
