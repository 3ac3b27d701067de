"""The tables in memory answer as a reference does: moto, or the endpoint that is named."""

from typing import Any

from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.virtual.contract.backends import BACKENDS, MEMORY, REFERENCE, Backend
from tests.virtual.contract.calls import CALLS, Call

_MEMBERS = ("Item", "Items", "Count", "ScannedCount", "Attributes", "Responses")
_INDEXES = ("by_queue", "by_rank", "by_due")


@settings(max_examples=40)
@given(calls=st.lists(CALLS, min_size=1, max_size=12))
def test_random_calls_have_the_same_answers_and_leave_the_same_items(calls: list[Call]) -> None:
    with BACKENDS[MEMORY]() as ours, BACKENDS[REFERENCE]() as reference:
        for operation, parameters in calls:
            assert outcome(ours, operation, parameters) == outcome(
                reference, operation, parameters
            ), operation
        assert contents(ours) == contents(reference)


def outcome(backend: Backend, operation: str, parameters: dict[str, Any]) -> Any:
    """Return an answer without what may differ, or the code and the reasons of an error."""
    try:
        answer = backend(operation, parameters)
    except ClientError as error:
        response: Any = error.response
        reasons = [each["Code"] for each in response.get("CancellationReasons", [])]
        return response["Error"]["Code"], reasons
    if "Items" in answer and operation == "Scan":
        answer["Items"].sort(key=lambda item: str(item["id"]))
    for each in answer.get("Responses", {}).values():
        each.sort(key=lambda item: str(item["id"]))
    told = {name: plain(answer[name]) for name in _MEMBERS if name in answer}
    return {name: each for name, each in told.items() if each != {}}


def plain(value: Any) -> Any:
    """Return a value with its sets in order."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: sorted(each) if name == "SS" else plain(each) for name, each in value.items()}


def contents(backend: Backend) -> list[Any]:
    """Return what the table and each index contain."""
    whole = [backend("Scan", {"TableName": "things"})]
    whole += [backend("Scan", {"TableName": "things", "IndexName": name}) for name in _INDEXES]
    return [
        sorted((plain(item) for item in each["Items"]), key=lambda item: str(item["id"]))
        for each in whole
    ]
