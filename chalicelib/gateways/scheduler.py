"""Schedules in EventBridge Scheduler, which send messages to the queue of runs."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from chalicelib.signals import ScheduleRefused, SchedulerUnavailable

# EventBridge Scheduler replaces this by the scheduled time. Other text of its own form would be
# replaced as well, so no text of a caller may stand here.
_SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
_MOST_RETRIES = 185

# Other validation errors, such as those about the role, are the operator's to mend.
_OF_CALLER = re.compile("schedule ?expression|time ?zone|(start|end) ?date", re.IGNORECASE)


class Route(Struct, frozen=True):
    """The schedule group, and where its schedules send messages, with which role."""

    group: str
    role_arn: str
    queue_arn: str
    undelivered_queue_arn: str


class Scheduler:
    """The schedules of one deployment: a schedule group."""

    def __init__(self, scheduler: Any, route: Route) -> None:
        self._scheduler = scheduler
        self._route = route

    def put(
        self,
        schedule_id: str,
        *,
        expression: str,
        timezone: str,
        is_enabled: bool,
        start_at: float | None,
        end_at: float | None,
        retry_seconds: int,
        token: str,
        is_new: bool,
    ) -> None:
        """Create or replace a schedule; the same `token` creates it once.

        One that is thought to be new, or not to be new, and is otherwise, takes two calls. Times
        are seconds since the epoch. Raise ScheduleRefused if it is invalid, and
        SchedulerUnavailable for any other error.
        """
        dates = {"StartDate": start_at, "EndDate": end_at}
        # All fields: an update gives its default to each that is left out.
        whole = {
            "Name": schedule_id,
            "GroupName": self._route.group,
            "ScheduleExpression": expression,
            "ScheduleExpressionTimezone": timezone,
            "State": "ENABLED" if is_enabled else "DISABLED",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": self._target(schedule_id, retry_seconds),
            **{name: _date(at) for name, at in dates.items() if at is not None},
        }
        with _translated():
            self._put(whole, token, is_new)

    def delete(self, schedule_id: str) -> None:
        """Delete a schedule, if it is there; raise SchedulerUnavailable."""
        with _translated(), suppress(self._scheduler.exceptions.ResourceNotFoundException):
            self._scheduler.delete_schedule(Name=schedule_id, GroupName=self._route.group)

    def ids(self) -> Iterator[tuple[str, float]]:
        """Yield the id of every schedule and when it was created; raise SchedulerUnavailable."""
        pages = self._scheduler.get_paginator("list_schedules")
        with _translated():
            for page in pages.paginate(GroupName=self._route.group):
                for each in page["Schedules"]:
                    yield str(each["Name"]), each["CreationDate"].timestamp()

    def _put(self, whole: dict[str, Any], token: str, is_new: bool) -> None:  # noqa: FBT001
        tries = [
            lambda: self._scheduler.create_schedule(**whole, ClientToken=token),
            lambda: self._scheduler.update_schedule(**whole),
        ]
        first, second = tries if is_new else reversed(tries)
        try:
            first()
        except ClientError as error:
            if _code(error) not in ("ConflictException", "ResourceNotFoundException"):
                raise
            second()

    def _target(self, schedule_id: str, retry_seconds: int) -> dict[str, Any]:
        message = {"schedule_id": schedule_id, "scheduled_at": _SCHEDULED_TIME}
        return {
            "Arn": self._route.queue_arn,
            "RoleArn": self._route.role_arn,
            "Input": json.dumps(message),
            "RetryPolicy": {
                "MaximumEventAgeInSeconds": retry_seconds,
                "MaximumRetryAttempts": _MOST_RETRIES,
            },
            "DeadLetterConfig": {"Arn": self._route.undelivered_queue_arn},
        }


@contextmanager
def _translated() -> Iterator[None]:
    """Raise ScheduleRefused or SchedulerUnavailable for errors of AWS."""
    try:
        yield
    except ClientError as error:
        message = str(error.response["Error"].get("Message", ""))
        if _code(error) == "ValidationException" and _OF_CALLER.search(message):
            raise ScheduleRefused(message) from error
        raise SchedulerUnavailable("EventBridge Scheduler refused a call") from error
    except BotoCoreError as error:
        raise SchedulerUnavailable("EventBridge Scheduler did not answer") from error


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
