"""The emulator's EventBridge Scheduler, mended: it fires and answers as AWS does."""

import time
from collections.abc import Callable
from typing import Any

from ministack.services import scheduler

from local.stack.firing import Record
from local.stack.scheduler_calls import (
    PAGE_SIZE,
    Body,
    Refused,
    check,
    group_of,
    not_found,
    page,
    record_of,
)
from local.stack.scheduler_loop import look

_LOOK_SECONDS = 1
# The request that created a schedule, which its ClientToken may repeat.
_REQUEST = "_Request"

Answer = tuple[int, dict[str, str], bytes]


def mend() -> None:
    """Replace what the emulator's Scheduler does otherwise than AWS."""
    scheduler._SCHEDULE_TICK_INTERVAL = _LOOK_SECONDS
    scheduler._tick_schedules = look
    scheduler._create_schedule = _answering(_create)
    scheduler._update_schedule = _answering(_update)
    scheduler._get_schedule = _answering(_get)
    scheduler._list_schedules = _answering(_list)


def _answering(call: Callable[..., Body]) -> Callable[..., Answer]:
    def answer(*given: Any) -> Answer:
        try:
            return scheduler._json_resp(200, call(*given))
        except Refused as refused:
            return scheduler._error(refused.status, refused.code, str(refused))

    return answer


def _create(name: str, body: Body) -> Body:
    now = time.time()
    check(name, body, now)
    _check_group(group_of(body))
    key = f"{group_of(body)}/{name}"
    if key in scheduler._schedules:
        return _repeated(name, body, scheduler._schedules[key])
    arn = scheduler._schedule_arn(group_of(body), name)
    dates = {"CreationDate": now, "LastModificationDate": now}
    scheduler._schedules[key] = {
        "Arn": arn,
        "Name": name,
        **record_of(body),
        **dates,
        _REQUEST: body,
    }
    return {"ScheduleArn": arn}


def _repeated(name: str, body: Body, existing: Record) -> Body:
    if body.get("ClientToken") and body == existing[_REQUEST]:
        return {"ScheduleArn": existing["Arn"]}
    message = f"Schedule {name} already exists."
    raise Refused(message, code="ConflictException", status=409)


def _update(name: str, body: Body) -> Body:
    now = time.time()
    check(name, body, now)
    existing = _existing(group_of(body), name)
    kept = {key: existing[key] for key in ("Arn", "Name", "CreationDate", _REQUEST)}
    new = {**kept, **record_of(body), "LastModificationDate": now}
    scheduler._schedules[f"{group_of(body)}/{name}"] = new
    return {"ScheduleArn": existing["Arn"]}


def _get(name: str, query: dict[str, str]) -> Body:
    record = _existing(query.get("groupName", "default"), name)
    return {
        key: value for key, value in record.items() if value is not None and not key.startswith("_")
    }


def _list(query: dict[str, str]) -> Body:
    if "ScheduleGroup" in query:
        _check_group(query["ScheduleGroup"])
    found = {key: each for key, each in scheduler._schedules.items() if _is_asked_for(each, query)}
    size = query.get("MaxResults", str(PAGE_SIZE))
    names, token = page(list(found), size, query.get("NextToken"))
    rows = {"Schedules": [_row(found[name]) for name in names]}
    return {**rows, "NextToken": token} if token else rows


def _is_asked_for(record: Record, query: dict[str, str]) -> bool:
    return (
        query.get("ScheduleGroup", record["GroupName"]) == record["GroupName"]
        and query.get("State", record["State"]) == record["State"]
        and record["Name"].startswith(query.get("NamePrefix", ""))
    )


def _row(record: Record) -> Body:
    shown = ("Arn", "Name", "GroupName", "State", "CreationDate", "LastModificationDate")
    return {**{key: record[key] for key in shown}, "Target": {"Arn": record["Target"]["Arn"]}}


def _existing(group: str, name: str) -> Record:
    record: Record | None = scheduler._schedules.get(f"{group}/{name}")
    if record is None:
        raise not_found(f"Schedule {name}")
    return record


def _check_group(name: str) -> None:
    scheduler._ensure_default_group()
    if name not in scheduler._schedule_groups:
        raise not_found(f"Schedule group {name}")
