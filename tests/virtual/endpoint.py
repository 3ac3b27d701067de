"""DynamoDB's endpoint in process: botocore's requests to AWS are answered from memory."""

from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse
from botocore.handlers import BUILTIN_HANDLERS
from msgspec import json

from tests.virtual.memory import Memory, Refused

_answering: list[Memory] = []


def listen() -> None:
    """Have all clients that are made from now on ask this endpoint, while it has tables.

    botocore makes its requests as it always does, but neither signs nor sends them.
    """
    BUILTIN_HANDLERS.append(("before-call.dynamodb", _answer))


@contextmanager
def answering(memory: Memory) -> Iterator[None]:
    """Answer from these tables."""
    _answering.append(memory)
    try:
        yield
    finally:
        _answering.remove(memory)


def tables() -> Memory:
    """Return the tables that answer."""
    return _answering[-1]


def error_of(refusal: Refused) -> dict[str, Any]:
    """Return a response as botocore reads it from DynamoDB's."""
    told = {"Error": {"Code": refusal.code, "Message": refusal.message}}
    return {**told, "message": refusal.message, **refusal.details}


def _answer(model: Any, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, Any] | None:
    """Answer a request to AWS's DynamoDB, if there are tables."""
    host = urlsplit(params["url"]).hostname or ""
    if not (_answering and host.startswith("dynamodb.") and host.endswith(".amazonaws.com")):
        return None
    status, answer = _asked(model.name, _decoded(json.decode(params["body"])))
    answer["ResponseMetadata"] = {"HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0}
    return AWSResponse(params["url"], status, {}, None), answer


def _asked(operation: str, parameters: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    try:
        return 200, tables().ask(operation, parameters)
    except Refused as refusal:
        return 400, error_of(refusal)


def _decoded(value: Any) -> Any:
    """Return what a request contains, with bytes where it has base64."""
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("B"), str):
        return {"B": b64decode(value["B"])}
    if isinstance(value.get("BS"), list):
        return {"BS": [b64decode(each) for each in value["BS"]]}
    return {name: _decoded(each) for name, each in value.items()}
