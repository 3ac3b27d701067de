"""The deployment's configuration, read from the environment once and nowhere else."""

import os
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct, ValidationError, convert
from msgspec.structs import FieldInfo, fields

Whole = Annotated[int, Meta(ge=0)]
Number = Annotated[float, Meta(ge=0)]


# OpenAI's clients follow at most 20 redirects.
MOST_HOPS = 18


class Config(Struct, frozen=True):
    """One field per environment variable, in lower case; docs/configuration.md lists them."""

    catalog_table: str = "darkroom-catalog"
    jobs_table: str = "darkroom-jobs"
    fleet_table: str = "darkroom-fleet"
    keys_table: str = "darkroom-keys"
    schedules_table: str = "darkroom-schedules"
    runs_table: str = "darkroom-runs"
    jobs_queue_url: str = ""
    schedule_group: str = "darkroom"
    scheduler_role_arn: str = ""
    runs_queue_arn: str = ""
    undelivered_runs_queue_arn: str = ""
    undelivered_runs_queue_url: str = ""
    images_bucket: str = "darkroom-images"
    fleet_tag: str = "darkroom"
    dual_stack: Whole = 0
    comfyui_url: str = ""
    comfyui_port: Whole = 8188
    checkpoint: str = "v1-5-pruned-emaonly-fp16.safetensors"
    api_url: str = ""
    image_base_url: str = ""
    image_url_seconds: Whole = 3600
    mark_generated: Whole = 1
    longest_wait_seconds: Whole = 25
    small_account: Whole = 0
    job_deadline_seconds: Whole = 86_400
    execution_deadline_seconds: Whole = 900
    no_progress_seconds: Whole = 300
    slots_per_gpu: Whole = 2
    gpu_prices: str = ""
    daily_budget: Number = 10.0  # dollars
    job_retention_days: Whole = 90
    image_retention_days: Whole = 0  # forever
    gpu_types: str = "g6.xlarge,g5.xlarge"  # empty: each instance keeps its type
    fleet_max: Whole = 1
    scale_wait_seconds: Whole = 180
    warm_up: Whole = 1
    idle_stop_seconds: Whole = 300
    max_on_seconds: Whole = 43_200
    boot_timeout_seconds: Whole = 1800
    key_days: Whole = 365
    key_requests_per_minute: Whole = 3000
    key_images_per_day: Whole = 1000
    key_megapixel_steps_per_day: Whole = 72_000
    allowed_origin: str = "*"
    log_level: str = "INFO"

    @property
    def wait_seconds(self) -> int:
        """How long a request waits for its image, at most.

        A waiting request occupies a function, of which a small account can run few at a time.
        """
        return (
            min(self.longest_wait_seconds, 5) if self.small_account else self.longest_wait_seconds
        )

    @property
    def longest_chain_seconds(self) -> int:
        """How long a request waits at most if it is redirected while it does."""
        return self.wait_seconds * MOST_HOPS

    @property
    def preferred_types(self) -> list[str]:
        """The types that an instance may start as, the best first; if empty, it keeps its type."""
        return [name for each in self.gpu_types.split(",") if (name := each.strip())]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Config":
        """Read the variables that are set; an empty number counts as unset. Raise ValueError."""
        found: dict[str, Any] = {}
        for field in fields(cls):
            text = environment.get(field.name.upper())
            if text or (text is not None and field.type is str):
                found[field.name] = _read(field, text)
        return cls(**found)


def _read(field: FieldInfo, text: str) -> Any:
    try:
        return convert(text, field.type, strict=False)
    except ValidationError as error:
        raise ValueError(
            f"environment variable {field.name.upper()} must be {_KINDS[field.type]}, not {text!r}"
        ) from error


_KINDS = {Whole: "a whole number", Number: "a number"}

config = Config.from_environment(os.environ)

# Lambda's name of what this function runs, as `app.work`. Empty elsewhere.
handler = os.environ.get("_HANDLER", "")
