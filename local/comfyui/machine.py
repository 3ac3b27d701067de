"""A simulated machine: loading and steps take time, and can be interrupted."""

import logging
import threading
from dataclasses import dataclass, field

log = logging.getLogger(__name__)


class Interrupted(Exception):
    """A client interrupted the running prompt."""


@dataclass(frozen=True)
class Pace:
    """How long a step and the loading of a checkpoint take."""

    step_seconds: float = 0.02
    load_seconds: float = 0.5


@dataclass
class Machine:
    """The loaded checkpoints, and requests to interrupt or stop."""

    pace: Pace
    _loaded: set[str] = field(default_factory=set)
    _in_use: set[tuple[str, str]] = field(default_factory=set)
    _interrupt: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def is_stopping(self) -> bool:
        """Whether the machine was stopped."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Interrupt the running prompt, and end all waiting."""
        self._stop.set()
        self._interrupt.set()

    def interrupt(self) -> None:
        """Stop the running prompt at its next step."""
        self._interrupt.set()

    def ignore_interrupt(self) -> None:
        """Drop an interrupt that came while no prompt ran."""
        self._interrupt.clear()

    def heed_interrupt(self) -> None:
        """Raise Interrupted once for each interrupt."""
        if self._interrupt.is_set():
            self._interrupt.clear()
            raise Interrupted

    def load(self, checkpoint: str) -> None:
        """Wait for the time that loading takes, unless the checkpoint is loaded already."""
        if checkpoint not in self._loaded:
            self._stop.wait(self.pace.load_seconds)
            self._loaded.add(checkpoint)

    def use(self, checkpoint: str, model: str) -> None:
        """Move one of a checkpoint's models to the GPU, which takes no time here."""
        if (checkpoint, model) not in self._in_use:
            log.info("Requested to load %s", model)
            self._in_use.add((checkpoint, model))

    def take_step(self) -> None:
        """Wait for the time of one sampling step."""
        self._stop.wait(self.pace.step_seconds)
        self.heed_interrupt()

    def unload(self) -> None:
        """Unload all checkpoints."""
        self._loaded.clear()
        self._in_use.clear()
