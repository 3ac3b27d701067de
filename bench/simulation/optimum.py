"""The cheapest that a fleet of one can be if nobody waits for a boot: it knows the future."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.simulation.instances import Spent
from bench.simulation.world import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.simulation.settings import Setting
    from bench.simulation.traces import Job


def optimum(setting: Setting, jobs: Sequence[Job]) -> Outcome:
    """Minimise what is billed, subject to: no job waits for a boot, only for jobs before it.

    So each run begins when its job arrives or the one before ends, whichever is later: when it is
    busy is given, and a policy where any job waited less does not exist. In a gap between two
    busy times the instance is either on throughout, which is billed as the gap, or it is off at
    some time and has to boot before the gap ends, which is billed as a boot at least. Exactly a
    boot it is if the instance stops as the gap begins and starts one boot before it ends. So each
    gap costs the lesser of the two, whatever was chosen for the others: EC2's least billed time
    does not couple them, as a boot is not shorter.
    """
    if setting.boot_seconds < setting.least_billed_seconds:
        raise ValueError("a boot that is shorter than the least billed time couples the gaps")
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
