"""Schedules and their runs as callers see them."""

from typing import Annotated

from msgspec import Meta, Struct

from chalicelib.schemas.answers.fields import JobId, Time, one_of
from chalicelib.schemas.schedules import ScheduledRequest

LocalTime = Annotated[
    str,
    Meta(
        description="A time in the schedule's time zone.",
        examples=["2026-11-30T07:00:00+01:00"],
        extra_json_schema={"format": "date-time"},
    ),
]


class RunReason(Struct, kw_only=True):
    """Why a run made no jobs."""

    code: Annotated[str, Meta(description="A stable code, for programs.")]
    message: Annotated[str, Meta(description="What happened, for people.")]


class Run(Struct, kw_only=True):
    """A run of a schedule."""

    scheduled_at: Annotated[
        Time, Meta(description="The time of the run in UTC, its id within the schedule.")
    ]
    started_at: Annotated[Time | None, Meta(description="Null if the run was missed.")]
    number: Annotated[int | None, Meta(description="1, 2, 3 … for runs that made jobs.")]
    status: Annotated[str, one_of("made", "skipped", "missed", "refused")]
    reason: RunReason | None
    job_ids: list[JobId]


class Schedule(Struct, kw_only=True):
    """A schedule, with its next and its last runs."""

    id: Annotated[str, Meta(description="The id of the schedule.")]
    name: str
    expression: str
    timezone: str
    request: ScheduledRequest
    prompts: list[str] | None
    seed_policy: Annotated[str, one_of("fixed", "random", "increasing")]
    start_at: LocalTime | None
    end_at: LocalTime | None
    missed_window_minutes: int
    overlap: Annotated[str, one_of("allow", "skip")]
    pause_after_failures: int | None
    state: Annotated[
        str,
        one_of("enabled", "paused", "completed"),
        Meta(description="`completed`: there are no more runs."),
    ]
    pause_note: Annotated[str | None, Meta(description="Why the schedule is paused.")]
    created_at: Time
    next_runs: Annotated[
        list[LocalTime], Meta(description="Up to five; those it would have if it is paused.")
    ]
    notes: Annotated[list[str], Meta(description="What is unusual, such as clock changes.")]
    last_runs: Annotated[list[Run], Meta(description="Up to ten, the newest first.")]
