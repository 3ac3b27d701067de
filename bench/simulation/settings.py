"""The assumptions of the simulation."""

from typing import NamedTuple


class Setting(NamedTuple):
    """The assumptions; the length of a boot has not been measured on AWS.

    A boot lasts from the call that starts an instance until its ComfyUI serves, and is billed.
    """

    boot_seconds: float = 90.0
    reconciler_seconds: float = 60.0
    least_billed_seconds: float = 60.0
    dollars_an_hour: float = 1.006  # a g5.xlarge, on demand, us-east-1
    fleet_max: int = 1
    scale_wait_seconds: int = 180
