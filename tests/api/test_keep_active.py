"""The event that keeps functions of a network active: they ignore it."""

import json
from typing import Any

import pytest
from chalice.local import LambdaContext

import app
from infra.doctor.stack_checks import NOTHING
from tests.environment import RESOURCES
from tests.infra.recording import Recorder

RULES = [
    each["Properties"]
    for each in RESOURCES["Resources"].values()
    if each.get("Type") == "AWS::Events::Rule"
]
INPUTS = {rule["Targets"][0]["Input"] for rule in RULES}


@pytest.mark.parametrize("function", [app.app, app.work], ids=["API", "worker"])
def test_the_event_makes_no_call_and_raises_nothing(aws: None, function: Any) -> None:
    [text] = {*INPUTS, NOTHING}
    recorder = Recorder()
    with recorder.during("function"):
        function(json.loads(text), LambdaContext("function", 512))
    recorder.end()
    assert not recorder.calls
