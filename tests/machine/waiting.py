"""Waits for a condition of a machine, which nothing announces."""

import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], object], seconds: float, what: str, every: float = 0.5
) -> None:
    """Return once the condition holds; raise TimeoutError with `what` if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"Not within {seconds:.0f} s: {what}")
        time.sleep(every)
