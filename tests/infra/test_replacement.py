"""Only parameters that a deployment keeps could replace a table, the bucket or a subnet."""

from collections.abc import Iterator
from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from infra.deploy.choices import SUBNETS
from infra.deploy.losses import PRECIOUS
from tests.environment import RESOURCES

TEMPLATE = RESOURCES["Resources"]
NAMES = sorted(name for name, each in TEMPLATE.items() if each.get("Type") in PRECIOUS)

# Chosen at the first deployment, and passed again at each later one.
KEPT = {"GpuZones", "FunctionZones"}


def _create_only(kind: str) -> set[str]:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    paths = schema.get("createOnlyProperties", []) + schema.get(
        "conditionalCreateOnlyProperties", []
    )
    return {path.split("/")[2] for path in paths}


def _names(value: Any) -> Iterator[str]:
    """Yield the parameters and resources that a value refers to."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::GetAtt":
                yield inner[0]
            else:
                assert key != "Fn::Sub", "Fn::Sub is not supported here"
                yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


def replacers(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """Return the parameters that replace a resource when their values change."""
    resource = TEMPLATE[name]
    found: set[str] = set()
    for key in _create_only(resource["Type"]) & resource.get("Properties", {}).keys():
        for source in _names(resource["Properties"][key]):
            if source in TEMPLATE:
                found |= replacers(source, seen | {name}) if source not in seen else set()
            elif not source.startswith("AWS::"):
                found.add(source)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_only_parameters_that_a_deployment_keeps_would_replace_a_precious_resource(
    name: str,
) -> None:
    assert replacers(name) <= KEPT


def test_precious_resources_include_the_tables_and_the_bucket() -> None:
    assert {"CatalogTable", "JobsTable", "FleetTable", "ImagesBucket"} <= {*NAMES}


def test_a_replacing_parameter_is_found_through_other_resources() -> None:
    assert replacers("GpuSubnet1Routes") == {"GpuZones"}
    assert replacers("FunctionSubnet1") == {"FunctionZones"}


def test_no_parameter_replaces_the_launch_template_or_a_subnet_of_an_instance_by_itself() -> None:
    assert replacers("GpuLaunch") == set()
    for number in range(1, SUBNETS + 1):
        assert replacers(f"GpuSubnet{number}") == {"GpuZones"}


def test_no_resource_is_an_instance_which_one_refusal_of_ec2_would_roll_back() -> None:
    kinds = {each.get("Type") for each in TEMPLATE.values()}
    assert "AWS::EC2::LaunchTemplate" in kinds
    assert "AWS::EC2::Instance" not in kinds


def test_the_tables_and_the_bucket_outlive_their_stack() -> None:
    for name in NAMES:
        assert TEMPLATE[name]["DeletionPolicy"] in ("Retain", "RetainExceptOnCreate")
        assert TEMPLATE[name]["UpdateReplacePolicy"] == "Retain"
