"""Who a request is from, for the order in which images are made."""

import json
from typing import Any

import pytest

import app
from chalicelib.models.job import Job
from tests.api.gateway import event_of

ROLE = "arn:aws:sts::123456789012:assumed-role/Painter"
USER = "arn:aws:iam::123456789012:user/team/ada"
SAME = [
    ({"userArn": f"{ROLE}/morning"}, {"userArn": f"{ROLE}/evening"}),
    ({"userArn": f"{ROLE}/a/b"}, {"userArn": f"{ROLE}/a"}),
    ({"userArn": USER, "sourceIp": "10.0.0.1"}, {"userArn": USER, "sourceIp": "10.0.0.2"}),
    ({"userArn": None, "sourceIp": "10.0.0.1"}, {"sourceIp": "10.0.0.1"}),
    ({}, None),
]
OTHERS = [
    {"userArn": f"{ROLE}/morning"},
    {"userArn": f"{ROLE}2/morning"},
    {"userArn": "arn:aws:sts::999999999999:assumed-role/Painter/morning"},
    {"userArn": "arn:aws-us-gov:sts::123456789012:assumed-role/Painter/morning"},
    {"userArn": USER},
    {"userArn": "arn:aws:iam::123456789012:user/team/bob"},
    {"userArn": "arn:aws:iam::123456789012:user/ada"},
    {"userArn": "arn:aws:iam::123456789012:root"},
    {"sourceIp": "10.0.0.1"},
    {"sourceIp": "2001:db8::1"},
    {},
]


def caller_of(identity: Any, path: str = "/api/images/generate") -> str:
    """Have a request accepted; return whose its job is."""
    resource = path.replace("/7/", "/{post_id}/")
    event = event_of("POST", path, resource, json.dumps({"prompt": "x"}))
    event["headers"]["Prefer"] = "respond-async"
    event["multiValueHeaders"]["Prefer"] = ["respond-async"]
    event["pathParameters"] = {"post_id": "7"} if "/7/" in path else None
    if identity is not None:
        event["requestContext"]["identity"] = identity
    answer = app.app(event, None)
    assert answer["statusCode"] == 202, answer
    body = json.loads(answer["body"])
    job = Job.find((body.get("jobs") or [body])[0]["id"])
    return str(job.caller)


@pytest.mark.parametrize(("identity", "other"), SAME)
def test_one_caller_is_the_same_in_all_requests(
    aws: None, comfyui: str, identity: Any, other: Any
) -> None:
    assert caller_of(identity) == caller_of(other)


def test_callers_are_told_apart(aws: None, comfyui: str) -> None:
    callers = [caller_of(identity) for identity in OTHERS]
    assert len({*callers}) == len(OTHERS)


def test_a_post_is_from_its_caller_too(aws: None, comfyui: str) -> None:
    path = "/api/v1/posts/7/generate_images"
    assert caller_of({"userArn": USER}, path) == caller_of({"userArn": USER}) == USER


def test_callers_take_turns_in_the_line(aws: None, comfyui: str) -> None:
    for identity in ("a", "a", "a", "b"):
        caller_of({"sourceIp": identity})
    jobs = sorted(Job.by_place.query("line"), key=lambda each: each.place)
    assert [Job.find(each.id).caller for each in jobs] == ["a", "b", "a", "a"]
