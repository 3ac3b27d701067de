"""The lowest cost of a fleet of one in which no job waits for a boot, with the future known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.simulation.instances import Spent
from bench.simulation.world import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.simulation.settings import Setting
    from bench.simulation.traces import Job


def optimum(setting: Setting, jobs: Sequence[Job]) -> Outcome:
    """Minimize the billed seconds if each job waits only for the jobs before it, not for a boot.

    Each execution then begins when its job arrives or the one before ends, whichever is later. The
    busy times are therefore given, and no policy makes any job wait less. In a gap between two
    busy times the instance is either on throughout, which is billed as the gap; or it is off for
    some time and must boot before the gap ends, which is billed as at least a boot. It is exactly
    a boot if the instance stops when the gap begins and starts one boot before the gap ends. Each
    gap therefore costs the lesser of the two. The gaps are independent, as a boot is not shorter
    than EC2's least billed time.
    """
    if setting.boot_seconds < setting.least_billed_seconds:
        raise ValueError("a boot must not be shorter than the least billed time")
    spent, waits, free_at = Spent(), [], float("-inf")
    for job in jobs:
        gap = max(job.arrives - free_at, 0.0)
        if gap > setting.boot_seconds:
            spent.booting += setting.boot_seconds
            spent.starts += 1
        else:
            spent.idle += gap
        begins = max(job.arrives, free_at)
        waits.append(begins - job.arrives)
        spent.busy += job.run_seconds
        free_at = begins + job.run_seconds
    return Outcome(spent, waits)
