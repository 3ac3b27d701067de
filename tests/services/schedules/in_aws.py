"""Schedules of EventBridge Scheduler that Darkroom did not write."""

from typing import Any

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.scheduler.models import scheduler_backends

GROUP = "schedules"


def ids() -> set[str]:
    """Return the names of all schedules in the group."""
    pages = boto3.client("scheduler").get_paginator("list_schedules").paginate(GroupName=GROUP)
    return {each["Name"] for page in pages for each in page["Schedules"]}


def put(name: str, *, age_seconds: float = 0) -> None:
    """Create a schedule in AWS alone, of this age."""
    boto3.client("scheduler").create_schedule(
        Name=name,
        GroupName=GROUP,
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": "arn:aws:sqs:us-east-1:123456789012:runs",
            "RoleArn": "arn:aws:iam::1:role/r",
        },
    )
    backend: Any = scheduler_backends[DEFAULT_ACCOUNT_ID]["us-east-1"]
    backend.schedule_groups[GROUP].schedules[name].creation_date -= age_seconds


def remove(name: str) -> None:
    """Delete a schedule in AWS alone."""
    boto3.client("scheduler").delete_schedule(Name=name, GroupName=GROUP)
