"""The report of an instance about its boot: `boots/{instance_id}.json` in the images bucket."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

_Step = Literal[
    "kernel",
    "system",
    "settings",
    "set_up",
    "driver",
    "comfyui",
    "request",
    "checkpoint",
    "warm_up",
]

LONGEST_SECONDS = 7200

# Without a warm-up there are no steps after these.
_NEEDED = ("kernel", "system", "settings", "driver", "comfyui")
_ONCE = "set_up"  # a later start has nothing to install


class BootReport(Struct, frozen=True):
    """The seconds of each step, from when the kernel started, and what ended the start, if any."""

    version: Literal[1]
    kernel_started_at: Annotated[float, Meta(ge=0, le=1e11)]
    steps: dict[_Step, Annotated[float, Meta(ge=0, le=LONGEST_SECONDS)]]
    failed: Literal["driver", "comfyui"] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it has every step that a boot has."""
        return self.failed is None and all(step in self.steps for step in _NEEDED)

    @property
    def later_seconds(self) -> float:
        """The seconds of the steps that a later start has, too."""
        return sum(seconds for step, seconds in self.steps.items() if step != _ONCE)
