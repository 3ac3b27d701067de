"""Hold a process to a share of one CPU, as Linux's quota does, but without a privileged user."""

import os
import signal
import time
from contextlib import suppress

PERIOD_SECONDS = 0.02
_LOOK_SECONDS = 0.0005


def hold_to(share: float, process_id: int) -> None:
    """Stop a child process for the rest of each period in which it has used its share.

    Return when it has ended. Its own CPU time counts, in all of its threads; waiting is free. What
    it uses too much in one period is taken from the next, and what it does not use is lost.
    """
    quota, period_ends_at = share * PERIOD_SECONDS, time.perf_counter() + PERIOD_SECONDS
    with suppress(OSError):  # it ended meanwhile
        allowed = _used(process_id) + quota
        while not _has_ended(process_id):
            if _used(process_id) >= allowed:
                os.kill(process_id, signal.SIGSTOP)
                time.sleep(max(period_ends_at - time.perf_counter(), 0))
            else:
                time.sleep(_LOOK_SECONDS)
            while time.perf_counter() >= period_ends_at:
                period_ends_at += PERIOD_SECONDS
                allowed = min(allowed, _used(process_id)) + quota
            if _used(process_id) < allowed:
                os.kill(process_id, signal.SIGCONT)


def _used(process_id: int) -> float:
    """Return the seconds of CPU time that a process has used."""
    return time.clock_gettime(~process_id << 3 | 2)  # its clock, as clock_getcpuclockid(3) has it


def _has_ended(process_id: int) -> bool:
    return os.waitid(os.P_PID, process_id, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
