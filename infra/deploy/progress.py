"""What a command says while AWS works."""

from collections.abc import Callable

_MINUTE = 60.0

Say = Callable[[str], None]


class Progress:
    """Says a stack's status when it changes, and every minute as long as it does not."""

    def __init__(self, say: Say, clock: Callable[[], float]) -> None:
        self._say, self._clock = say, clock
        self._began = clock()
        self._said: tuple[str, int] | None = None

    def see(self, status: str) -> None:
        minutes = int((self._clock() - self._began) // _MINUTE)
        if self._said != (status, minutes):
            self._said = (status, minutes)
            self._say(f"  {minutes:2} min  {status}")
