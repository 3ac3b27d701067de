"""The network costs nothing by the hour, and only the functions can connect to instances."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.environment import RESOURCES

TEMPLATE = RESOURCES["Resources"]

OF_COMFYUI = ("APIHandler", "Worker", "Reconciler")


def of(kind: str) -> Iterator[tuple[str, Any]]:
    for name, resource in TEMPLATE.items():
        if resource.get("Type") == kind:
            yield name, resource


@pytest.mark.parametrize("kind", ["AWS::EC2::NatGateway", "AWS::EC2::EIP"])
def test_a_nat_gateway_is_created_only_on_request(kind: str) -> None:
    [(_, resource)] = of(kind)
    assert resource["Condition"] == "HasNat"
    assert RESOURCES["Parameters"]["NatGateway"]["Default"] == "no"


def test_vpc_endpoints_are_gateway_endpoints_which_are_free() -> None:
    endpoints = [each["Properties"] for _, each in of("AWS::EC2::VPCEndpoint")]
    assert {each["VpcEndpointType"] for each in endpoints} == {"Gateway"}
    services = {each["ServiceName"]["Fn::Sub"].rpartition(".")[2] for each in endpoints}
    assert services == {"s3", "dynamodb"}
    for each in endpoints:
        assert each["RouteTableIds"] == [{"Ref": "FunctionRoutes"}, {"Ref": "PublicRoutes"}]


def test_only_the_functions_can_connect_and_only_to_comfyui() -> None:
    assert not any(
        "SecurityGroupIngress" in it["Properties"] for _, it in of("AWS::EC2::SecurityGroup")
    )
    [(_, ingress)] = of("AWS::EC2::SecurityGroupIngress")
    rule = ingress["Properties"]
    assert rule["GroupId"] == {"Fn::GetAtt": ["GpuGroup", "GroupId"]}
    assert rule["SourceSecurityGroupId"] == {"Fn::GetAtt": ["FunctionGroup", "GroupId"]}
    assert rule["FromPort"] == rule["ToPort"] == {"Ref": "ComfyUIPort"}


def test_every_security_group_limits_its_outgoing_ports() -> None:
    for name, group in of("AWS::EC2::SecurityGroup"):
        ports = {rule["ToPort"] for rule in group["Properties"]["SecurityGroupEgress"]}
        assert ports <= {80, 443}, name


def test_only_the_functions_that_call_comfyui_are_in_the_network() -> None:
    inside = {name for name, each in TEMPLATE.items() if "VpcConfig" in each.get("Properties", {})}
    assert inside == {*OF_COMFYUI}
    for name in OF_COMFYUI:
        role = TEMPLATE[name]["Properties"]["Role"]["Fn::GetAtt"][0]
        policies = TEMPLATE[role]["Properties"]["Policies"]
        assert "attach-to-network" in {each.get("PolicyName") for each in policies}


def test_functions_reach_the_internet_on_ipv6_only_unless_there_is_a_nat_gateway() -> None:
    routes = {
        name: each
        for name, each in of("AWS::EC2::Route")
        if each["Properties"]["RouteTableId"] == {"Ref": "FunctionRoutes"}
    }
    assert routes.keys() == {"FunctionRouteIpv6", "FunctionRouteIpv4"}
    assert "EgressOnlyInternetGatewayId" in routes["FunctionRouteIpv6"]["Properties"]
    assert routes["FunctionRouteIpv4"]["Condition"] == "HasNat"


def test_an_instance_is_hardened_and_a_power_off_does_not_terminate_it() -> None:
    data = TEMPLATE["GpuLaunch"]["Properties"]["LaunchTemplateData"]
    assert data["InstanceInitiatedShutdownBehavior"] == "stop"
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    assert all(each["Ebs"]["Encrypted"] for each in data["BlockDeviceMappings"])
    assert "KeyName" not in data
    assert data["UserData"]["Fn::Base64"]["Fn::Sub"].startswith("#!/usr/bin/env bash")


def test_logs_are_deleted_after_the_retention_days() -> None:
    for name, group in of("AWS::Logs::LogGroup"):
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name
