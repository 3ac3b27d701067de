"""Bodies of `/api/images/schedules`."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from chalicelib.errors import InvalidRequest
from chalicelib.schemas.generation import GenerateRequest
from chalicelib.schemas.limits import Count, Description, Name, PostId, Prompt

FIXED, RANDOM, INCREASING = "fixed", "random", "increasing"
ALLOW, SKIP = "allow", "skip"

PROMPTS_BYTES = 100 * 1024

# The years of EventBridge Scheduler's cron expressions.
_FIRST_YEAR, _LAST_YEAR = 1970, 2199

Expression = Annotated[
    str,
    Meta(
        max_length=256,
        description="an expression of at most 256 characters",
        extra_json_schema={
            "format": "schedule-expression",
            "examples": ["cron(0 7 ? * MON-FRI *)", "rate(6 hours)", "at(2030-06-01T13:00:00)"],
        },
    ),
]
Timezone = Annotated[
    str,
    Meta(
        description="the IANA name of a time zone, such as Europe/Berlin",
        extra_json_schema={"format": "time-zone"},
    ),
]
Prompts = Annotated[
    list[Prompt],
    Meta(
        min_length=1,
        max_length=100,
        description="a list of 1 to 100 texts of 1 to 10,000 characters, not blank and without NUL",
    ),
]
SeedPolicy = Annotated[
    Literal["fixed", "random", "increasing"],
    Meta(description="one of: fixed, random, increasing"),
]
Overlap = Annotated[Literal["allow", "skip"], Meta(description="one of: allow, skip")]
Time = Annotated[
    datetime,
    Meta(
        tz=True,
        description="a time with its offset, such as 2027-01-01T00:00:00+01:00",
        extra_json_schema={"pattern": "^(19[7-9]|2[01][0-9])[0-9]-"},
    ),
]
Minutes = Annotated[int, Meta(ge=1, le=1440, description="a whole number from 1 to 1440")]
Failures = Annotated[int, Meta(ge=1, le=100, description="a whole number from 1 to 100")]


class ScheduledRequest(GenerateRequest, kw_only=True, forbid_unknown_fields=True):
    """The request of a schedule; with `post_id` its runs make `count` images for a post."""

    prompt: Prompt | UnsetType = UNSET  # type: ignore[assignment]
    post_id: PostId | UnsetType = UNSET
    count: Count | UnsetType = UNSET

    json_schema: ClassVar[dict[str, Any]] = {
        "if": {"properties": {"count": {"type": "integer"}}, "required": ["count"]},
        "then": {"properties": {"post_id": {"type": "string"}}, "required": ["post_id"]},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count is not UNSET and self.post_id is UNSET:
            raise InvalidRequest(
                "count needs post_id: several images of one run are those of a post",
                field="count",
                suggestion="Add post_id, or remove count",
            )


Request = Annotated[ScheduledRequest, Meta(description="a JSON object")]


class ScheduleRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/images/schedules` and of `PUT`, which replaces all fields."""

    name: Name
    expression: Expression
    timezone: Timezone | None = None
    request: Request = field(default_factory=ScheduledRequest)
    prompts: Prompts | None = None
    seed_policy: SeedPolicy | None = None
    start_at: Time | None = None
    end_at: Time | None = None
    missed_window_minutes: Minutes | None = None
    overlap: Overlap | None = None
    pause_after_failures: Failures | None = None

    # `if` and `not` stand for unions, of which generated clients would have a type each.
    json_schema: ClassVar[dict[str, Any]] = {
        "if": {"properties": {"prompts": {"not": {"type": "null"}}}, "required": ["prompts"]},
        "else": {
            "properties": {
                "request": {
                    "type": "object",
                    "properties": {"prompt": {"type": "string"}},
                    "required": ["prompt"],
                }
            },
            "required": ["request"],
        },
        "not": {
            "properties": {"expression": {"pattern": r"^at\("}},
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in ("start_at", "end_at")
            ],
        },
    }

    def __post_init__(self) -> None:
        _check_year(self.start_at, "start_at")
        _check_year(self.end_at, "end_at")
        if sum(len(each.encode(errors="replace")) for each in self.prompts or ()) > PROMPTS_BYTES:
            raise InvalidRequest(
                f"prompts must have at most {PROMPTS_BYTES // 1024} KB together", field="prompts"
            )
        if self.request.prompt is UNSET and not self.prompts:
            raise InvalidRequest(
                "a schedule needs request.prompt or prompts", field="request.prompt"
            )


class PauseRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/images/schedules/{schedule_id}/pause`; it may be left out."""

    note: Description | None = None


class RunRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/images/schedules/{schedule_id}/run`; it may be left out."""

    scheduled_at: Time | None = None

    def __post_init__(self) -> None:
        _check_year(self.scheduled_at, "scheduled_at")


def _check_year(time: datetime | None, field: str) -> None:
    if time is not None and not _FIRST_YEAR <= _year(time) <= _LAST_YEAR:
        raise InvalidRequest(
            f"{field} must be in a year from {_FIRST_YEAR} to {_LAST_YEAR}",
            field=field,
            suggestion=f"Correct it, or leave {field} out",
        )


def _year(time: datetime) -> int:
    """Return the year of a time in UTC, 0 if Python has no such time."""
    try:
        return time.astimezone(UTC).year
    except OverflowError:
        return 0
