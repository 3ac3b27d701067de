"""The deployment's configuration, read from the environment once and nowhere else."""

import os
from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import fields


class Config(Struct, frozen=True):
    """One field per environment variable of the same name in capitals; the README lists them."""

    catalog_table: str = "darkroom-catalog"
    jobs_table: str = "darkroom-jobs"
    fleet_table: str = "darkroom-fleet"
    keys_table: str = "darkroom-keys"
    jobs_queue_url: str = ""
    images_bucket: str = "darkroom-images"
    fleet_tag: str = "darkroom"
    dual_stack: int = 0
    comfyui_url: str = ""
    comfyui_port: int = 8188
    checkpoint: str = "v1-5-pruned-emaonly-fp16.safetensors"
    api_url: str = ""
    image_base_url: str = ""
    image_url_seconds: int = 3600
    longest_wait_seconds: int = 25
    small_account: int = 0
    job_deadline_seconds: int = 86_400
    run_deadline_seconds: int = 900
    stall_seconds: int = 300
    gpu_seats: int = 3
    gpu_prices: str = ""
    daily_budget: float = 10.0  # dollars
    job_retention_days: int = 90
    image_retention_days: int = 0  # for ever
    gpu_types: str = ""
    fleet_max: int = 1
    scale_wait_seconds: int = 180
    warm_up: int = 1
    idle_stop_seconds: int = 300
    max_run_seconds: int = 43_200
    boot_timeout_seconds: int = 900
    allowed_origin: str = "*"
    log_level: str = "INFO"

    @property
    def wait_seconds(self) -> int:
        """How long a request waits for its image, at most.

        While it waits a function runs, of which a small account has few.
        """
        return (
            min(self.longest_wait_seconds, 5) if self.small_account else self.longest_wait_seconds
        )

    @property
    def preferred_types(self) -> list[str]:
        """The instance types that a GPU may start as, the best first; none keeps its own."""
        return [name for each in self.gpu_types.split(",") if (name := each.strip())]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Config":
        """Take what is set and not empty; raise ValueError that names a malformed variable."""
        found: dict[str, str | float] = {}
        for field in fields(cls):
            name = field.name.upper()
            if text := environment.get(name):
                found[field.name] = _READ[field.type](name, text)
        return cls(**found)  # type: ignore[arg-type]  # field.type decides, mypy cannot see it


def _text(_: str, text: str) -> str:
    return text


def _number(name: str, text: str) -> float:
    if not (text.isascii() and text.replace(".", "", 1).isdigit()):
        raise ValueError(f"environment variable {name} must be a number, not {text!r}")
    return float(text)


def _whole(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"environment variable {name} must be a whole number, not {text!r}")
    return int(text)


_READ: dict[type, Callable[[str, str], str | float]] = {int: _whole, float: _number, str: _text}

config = Config.from_environment(os.environ)
