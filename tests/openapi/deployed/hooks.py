"""What schemathesis cannot know of the document: its formats, and rules that no schema can say."""

import base64
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import requests
import schemathesis
from hypothesis import strategies as st

minutes, hours, days = st.integers(0, 59), st.integers(0, 23), st.integers(1, 28)
years = st.integers(2100, 2190)

schemathesis.openapi.format(
    "schedule-expression",
    st.one_of(
        st.builds("cron({} {} ? * MON-FRI *)".format, minutes, hours),
        st.builds("cron({} {} {} * ? *)".format, minutes, hours, days),
        st.builds("rate({} hours)".format, st.integers(2, 100)),
        st.builds("at({}-06-{:02}T{:02}:{:02}:00)".format, years, days, hours, minutes),
    ),
)
schemathesis.openapi.format("time-zone", st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]))
schemathesis.openapi.format(
    "cursor",
    st.integers(1, 10**9 - 1).map(
        lambda position: base64.urlsafe_b64encode(str(position).encode()).decode().rstrip("=")
    ),
)


class Rule(NamedTuple):
    """A rule that JSON Schema cannot say: the document allows what some operations refuse by it.

    `error` matches what their `400` says in `details.error`.
    """

    operations: tuple[str, ...]
    error: str


_GENERATING = ("generateImage", "generatePostImages", "createSchedule", "replaceSchedule")
_SCHEDULES = ("createSchedule", "replaceSchedule")
_SETTINGS = ("createSetting", "replaceSetting")

RULES = (
    # What is stored: ids of items that exist, names that are taken.
    Rule(_GENERATING, r"(style|format) \d+ does not exist"),
    Rule(_SETTINGS, "another setting has this name"),
    # Fields that depend on one another.
    Rule(_SETTINGS, r"value must be (?!a text).*"),
    Rule(_GENERATING, r"prompt and style together have more than \d+ characters"),
    Rule(_SCHEDULES, "end_at must be after start_at"),
    Rule(_SCHEDULES, r"the first run would be at .*, after end_at"),
    Rule(_SCHEDULES, "all runs are before start_at"),
    Rule(("listJobs",), "status and schedule_id cannot be combined"),
    Rule(("getUsage",), r"from must not be after .*|a period has at most 366 days"),
    # Times that depend on the present.
    Rule(("runSchedule",), r"scheduled_at must be within the last \d+ days"),
    # A cursor is of one list, and that of runs is a time.
    Rule(("listRuns",), "cursor is not a cursor of this list"),
)


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Drop a failure that one of the rules explains."""
    operation = case.operation.definition.raw["operationId"]
    if failure.code == "ST202" and response.status_code == 400:
        error = response.json()["details"]["error"]
        rules = [rule for rule in RULES if operation in rule.operations]
        return not any(re.fullmatch(rule.error, error) for rule in rules)
    if failure.code == "ST201" and operation == "acceptBatch" and response.status_code == 200:
        # The answer is a list of what each request would have been answered alone.
        return not any(each["status"] == 400 for each in response.json()["results"])
    return True


# Ids of the keys of this run, which it must not revoke or limit.
OWN_KEYS = re.findall("dk_([a-z0-9]{12})_", Path("keys.json").read_text())


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Keep the keys of this run: other cases find their ids in the list of keys."""
    if case.path_parameters.get("key_id") in OWN_KEYS:
        case.path_parameters["key_id"] = "abcdefghijkl"


# With any other value each later image would fail, as ComfyUI does not have it.
WORKING = {
    "default_checkpoint": os.environ["CHECKPOINT"],
    "default_sampler": "euler",
    "default_scheduler": "normal",
}


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Undo what keeps all later cases from images: a stop of the GPUs, and settings of no use."""
    operation = case.operation.definition.raw["operationId"]
    if operation == "stopComfyUI" and response.status_code == 200:
        _send(response.request, "POST", "comfyui/start")
    if operation in _SETTINGS and response.status_code in (200, 201):
        setting = response.json()
        if works := WORKING.get(setting["name"]):
            body = {"name": setting["name"], "value": works, "description": ""}
            _send(response.request, "PUT", f"settings/{setting['id']}", body)


def _send(sent: Any, method: str, path: str, body: Any = None) -> None:
    """Send another request with the key of one that was sent."""
    base, images, _ = sent.url.partition("/api/images/")
    headers = {"Authorization": sent.headers["Authorization"]}
    answer = requests.request(
        method, f"{base}{images}{path}", headers=headers, json=body, timeout=60
    )
    # 503 of a start: the instance is still stopping, and the next job starts it.
    assert answer.ok or answer.status_code == 503, answer.text
