"""Which calls of AWS the functions make, and which ones their roles allow."""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore
import pytest

from infra.botocore_data import OPERATIONS
from tests.infra.leading_keys import TABLES, KeyedCall, keyed_calls, permits

Calls = set[tuple[str, str]]  # of action and resource, as `dynamodb:GetItem` of `JobsTable`


class Listener:
    """Observes every call of clients that are made from now on, and which function makes it."""

    def __init__(self) -> None:
        self.functions: list[str] = []  # the last one is running
        botocore.register_initializer(self._listen)

    def end(self) -> None:
        botocore.unregister_initializer(self._listen)

    @contextmanager
    def during(self, function: str) -> Iterator[None]:
        """Attribute the calls within the block to a function."""
        self.functions.append(function)
        try:
            yield
        finally:
            self.functions.pop()

    def _listen(self, session: Any) -> None:
        raise NotImplementedError


class Recorder(Listener):
    """Records which actions each function calls, on which resources."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, Calls] = defaultdict(set)
        self.keyed: dict[str, set[KeyedCall]] = defaultdict(set)

    def _listen(self, session: Any) -> None:
        session.register("provide-client-params", self._note)

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if self.functions:
            service = model.service_model.service_name
            if model.name not in OPERATIONS[service]:
                pytest.fail(f"infra/botocore_data.py does not keep {model.name} of {service}")
            calls = _calls(service, model.name, params)
            self.calls[self.functions[-1]].update(calls)
            if service == "dynamodb":
                self.keyed[self.functions[-1]].update(keyed_calls(model.name, params))


def _calls(service: str, operation: str, params: dict[str, Any]) -> Calls:
    if service == "dynamodb":
        return _of_tables(operation, params)
    if service == "s3":
        return _of_bucket(operation, params)
    if service == "ec2":
        return {(f"ec2:{operation}", "*" if operation.startswith("Describe") else "instances")}
    if service == "scheduler":
        return _of_scheduler(operation, params)
    is_undelivered = params["QueueUrl"] == os.environ["UNDELIVERED_RUNS_QUEUE_URL"]
    return {(f"sqs:{operation}", "UndeliveredRunsQueue" if is_undelivered else "JobsQueue")}


def _of_scheduler(operation: str, params: dict[str, Any]) -> Calls:
    assert params["GroupName"] == os.environ["SCHEDULE_GROUP"]
    call = (f"scheduler:{operation}", "*" if operation.startswith("List") else "schedules")
    # A call that names a role for another service needs the right to pass that role.
    return {call, ("iam:PassRole", "SchedulerRole")} if "Target" in params else {call}


def _of_bucket(operation: str, params: dict[str, Any]) -> Calls:
    keys = [each["Key"] for each in params.get("Delete", {}).get("Objects", [])]
    [folder] = {
        str(key).partition("/")[0] for key in keys or [params.get("Key", params.get("Prefix"))]
    }
    action = {"ListObjectsV2": "ListBucket", "DeleteObjects": "DeleteObject"}
    resource = "ImagesBucket" if operation.startswith("List") else f"ImagesBucket/{folder}/*"
    return {(f"s3:{action.get(operation, operation)}", resource)}


def _of_tables(operation: str, params: dict[str, Any]) -> Calls:
    # A transaction needs what each of its items would need by itself (DynamoDB guide, IAM).
    if operation == "TransactWriteItems":
        return {
            (f"dynamodb:{kind}{'' if 'Check' in kind else 'Item'}", TABLES[item["TableName"]])
            for each in params["TransactItems"]
            for kind, item in each.items()
        }
    if operation == "BatchGetItem":
        return {("dynamodb:BatchGetItem", TABLES[name]) for name in params["RequestItems"]}
    table = TABLES[params["TableName"]]
    return {(f"dynamodb:{operation}", f"{table}/index/*" if "IndexName" in params else table)}


def allowed(template: dict[str, Any], role: str) -> Calls:
    """Return what a role allows, each action on each resource."""
    return {call for statement in statements(template, role) for call in _allowed(statement)}


def allows(template: dict[str, Any], role: str, call: tuple[str, str], keys: list[str]) -> bool:
    """Return whether a role allows a call of items with these partition keys, as IAM decides."""
    return any(
        call in _allowed(statement) and permits(statement.get("Condition", {}), keys)
        for statement in statements(template, role)
    )


def statements(template: dict[str, Any], role: str) -> Iterator[Any]:
    """Yield the statements of a role's policies; each allows something."""
    for policy in template["Resources"][role]["Properties"]["Policies"]:
        yield from policy.get("Fn::If", [None, policy])[1]["PolicyDocument"]["Statement"]


def _allowed(statement: dict[str, Any]) -> Calls:
    return {
        (action, _name(resource))
        for action in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
    }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _name(resource: Any) -> str:
    """Return a resource as its name in the template, with the path below it."""
    if isinstance(resource, str):
        return resource
    if "Fn::GetAtt" in resource:
        return str(resource["Fn::GetAtt"][0])
    if "Ref" in resource:
        return str(resource["Ref"])
    text = str(resource["Fn::Sub"])
    if text.endswith(":schedule/${ScheduleGroup}/*"):
        return "schedules"
    return "instances" if text.endswith(":instance/*") else text.replace(".Arn}", "").strip("${")
