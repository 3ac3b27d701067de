"""How a stack becomes another on the emulator's CloudFormation: no data is lost."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.deploy import upload
from infra.stack import Refused, Stack
from local.emulator import Emulator

BUCKET = "templates"


class Place:
    """An emulator, and a stack with one table on it."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self._s3 = emulator.client("s3")
        self._s3.create_bucket(Bucket=BUCKET)

    def stack(self, name: str) -> Stack:
        return Stack(name, self.emulator.client("cloudformation"), look_seconds=0.05)

    def url(self, template: dict[str, Any]) -> str:
        key = upload(self._s3, BUCKET, "t", json.dumps(template).encode(), "json")
        return f"{self.emulator.url}/{BUCKET}/{key}"

    def apply(self, stack: Stack, template: dict[str, Any], **given: Any) -> None:
        replace = given.pop("replace", False)
        stack.apply(self.url(template), set(template["Parameters"]), given, replace=replace)

    def tables(self) -> list[str]:
        names: list[str] = self.emulator.client("dynamodb").list_tables()["TableNames"]
        return names


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    emulator = Emulator(tmp_path_factory.mktemp("stack") / "emulator")
    yield Place(emulator)
    emulator.stop()


def template(key: str = "id", **resources: Any) -> dict[str, Any]:
    table = {
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": "RetainExceptOnCreate",
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        },
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {name: {"Type": "String", "Default": name} for name in ("A", "B")},
        "Resources": {"Data": table, **resources},
        "Outputs": {
            "Table": {"Value": {"Ref": "Data"}},
            "AB": {"Value": {"Fn::Sub": "${A}-${B}"}},
        },
    }


TOPIC = {"Type": "AWS::SNS::Topic"}


def test_a_stack_is_made_and_then_changed_in_place(place: Place) -> None:
    stack = place.stack("changed")
    assert stack.describe() is None
    place.apply(stack, template(), A="1")
    table = stack.outputs()["Table"]
    place.apply(stack, template(Topic=TOPIC), B="2")
    assert stack.outputs() == {"Table": table, "AB": "1-2"}


def test_what_is_the_same_changes_nothing(place: Place) -> None:
    stack = place.stack("same")
    place.apply(stack, template(), A="1")
    place.apply(stack, template(), A="1")
    assert stack.parameters() == {"A": "1", "B": "B"}


def test_a_parameter_that_is_gone_is_not_asked_for(place: Place) -> None:
    stack, smaller = place.stack("smaller"), template(Topic=TOPIC)
    place.apply(stack, template(), A="1", B="2")
    del smaller["Parameters"]["A"], smaller["Outputs"]["AB"]
    place.apply(stack, smaller)
    assert stack.parameters() == {"B": "2"}


def test_a_table_is_not_replaced(place: Place) -> None:
    stack = place.stack("replacing")
    place.apply(stack, template())
    table = stack.outputs()["Table"]
    with pytest.raises(Refused, match="this would replace or remove Data"):
        place.apply(stack, template(key="other"))
    assert stack.outputs()["Table"] == table
    assert table in place.tables()


def test_a_table_is_not_removed_unless_that_is_wanted(place: Place) -> None:
    stack, without = place.stack("removing"), template(Topic=TOPIC)
    place.apply(stack, template())
    table = stack.outputs()["Table"]
    del without["Resources"]["Data"], without["Outputs"]["Table"]
    with pytest.raises(Refused, match="Data"):
        place.apply(stack, without)
    place.apply(stack, without, replace=True)
    assert "Table" not in stack.outputs()
    assert table in place.tables(), "the template retains it"


def test_a_deployment_that_fails_says_what_failed(place: Place) -> None:
    stack = place.stack("failing")
    place.apply(stack, template())
    # The emulator has no metric math.
    broken = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": [{"Id": "a"}]}}
    with pytest.raises(Refused, match=r"Broken"):
        place.apply(stack, template(Broken=broken))
    assert stack.outputs()["AB"] == "A-B"


def test_a_stack_that_is_deleted_leaves_its_data(place: Place) -> None:
    stack = place.stack("deleted")
    place.apply(stack, template())
    table = stack.outputs()["Table"]
    stack.delete()
    assert stack.describe() is None
    assert table in place.tables()
    with pytest.raises(Refused, match="there is no stack deleted"):
        stack.delete()
