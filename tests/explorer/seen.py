"""The states that were seen, in memory that all processes of a search share."""

from mmap import mmap
from struct import Struct

from tests.explorer.choices import Bounds

_ENTRY = Struct("<q6B2x")  # the hash of a state, and the most choices left by other bounds
_BITS = 21
_MOST_FAULTS = 1


class Seen:
    """A hash table of states with the bounds under which they were entered.

    A state for which there is no place counts as new.
    """

    def __init__(self) -> None:
        self._slots = 1 << _BITS
        self._memory = mmap(-1, self._slots * _ENTRY.size)

    def clear(self) -> None:
        self._memory.close()
        self._memory = mmap(-1, self._slots * _ENTRY.size)

    def enter(self, state: int, bounds: Bounds) -> tuple[bool, bool]:
        """Note a state; return whether it is new, and whether it has to be entered.

        A state that was entered with the same bounds or with larger ones does not have to be.
        """
        state = state or 1
        at = (state % self._slots) * _ENTRY.size
        for _ in range(64):
            known, *lefts = _ENTRY.unpack_from(self._memory, at)
            if known in (0, state):
                return known == 0, self._widen(at, state, lefts, bounds)
            at = (at + _ENTRY.size) % (self._slots * _ENTRY.size)
        return True, True

    def _widen(self, at: int, state: int, lefts: list[int], bounds: Bounds) -> bool:
        if lefts[_index(bounds.preemptions, bounds.faults)] > bounds.choices:
            return False
        for preemptions in range(bounds.preemptions + 1):
            for faults in range(bounds.faults + 1):
                index = _index(preemptions, faults)
                lefts[index] = max(lefts[index], bounds.choices + 1)
        _ENTRY.pack_into(self._memory, at, state, *lefts)
        return True


def _index(preemptions: int, faults: int) -> int:
    return preemptions * (_MOST_FAULTS + 1) + faults
