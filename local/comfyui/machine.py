"""The machine that is not there: it takes its time, and it can be interrupted."""

import threading
from dataclasses import dataclass, field


class Interrupted(Exception):
    """Someone asked for the running prompt to stop."""


@dataclass(frozen=True)
class Pace:
    """How long a real machine would take."""

    step_seconds: float = 0.02
    load_seconds: float = 0.5


@dataclass
class Machine:
    """What is loaded, and whether to go on."""

    pace: Pace
    _loaded: set[str] = field(default_factory=set)
    _interrupt: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def is_stopping(self) -> bool:
        """Whether there is no point in starting anything."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Be done with everything, and soon."""
        self._stop.set()
        self._interrupt.set()

    def interrupt(self) -> None:
        """Ask whatever runs to stop at its next step."""
        self._interrupt.set()

    def ignore_interrupt(self) -> None:
        """Forget an interrupt that came before there was anything to stop."""
        self._interrupt.clear()

    def heed_interrupt(self) -> None:
        """Raise Interrupted, once, if someone has asked for it."""
        if self._interrupt.is_set():
            self._interrupt.clear()
            raise Interrupted

    def load(self, checkpoint: str) -> None:
        """Take the time to load a checkpoint, unless it is there already."""
        if checkpoint not in self._loaded:
            self._stop.wait(self.pace.load_seconds)
            self._loaded.add(checkpoint)

    def take_step(self) -> None:
        """Take the time of one sampling step."""
        self._stop.wait(self.pace.step_seconds)
        self.heed_interrupt()

    def unload(self) -> None:
        """Make room: every checkpoint has to be loaded anew."""
        self._loaded.clear()
