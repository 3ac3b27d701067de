"""What must hold in a stack's first minutes, and after weeks without a request."""

import json
from typing import Any

from tests.environment import RESOURCES

TEMPLATE = RESOURCES["Resources"]


def test_the_dashboard_has_the_region_in_its_name_as_all_regions_share_the_names() -> None:
    name = TEMPLATE["Dashboard"]["Properties"]["DashboardName"]
    assert name == {"Fn::Sub": "${AWS::StackName}-${AWS::Region}"}


def test_the_ipv6_route_waits_for_the_ipv6_addresses_of_the_network() -> None:
    assert TEMPLATE["FunctionRouteIpv6"]["DependsOn"] == "VpcIpv6"


def test_no_alarm_counts_the_time_before_the_stack_existed() -> None:
    """The reconciler's alarm reports a silence as missing data, which a new stack has not lost."""
    alarms = {
        name: each["Properties"]
        for name, each in TEMPLATE.items()
        if each.get("Type") == "AWS::CloudWatch::Alarm"
    }
    assert "breaching" not in {each["TreatMissingData"] for each in alarms.values()}
    silent = alarms["ReconcilerSilentAlarm"]
    assert silent["TreatMissingData"] == "missing"
    topic = [{"Ref": "AlarmsTopic"}]
    assert silent["InsufficientDataActions"] == silent["AlarmActions"] == topic


def calls_a_day(function: str) -> list[dict[str, Any]]:
    """Return the targets of daily rules that invoke a function and may do so."""
    found = []
    for name, each in TEMPLATE.items():
        if each.get("Type") != "AWS::Events::Rule":
            continue
        assert each["Properties"]["ScheduleExpression"] == "rate(1 day)"
        [target] = each["Properties"]["Targets"]
        if target["Arn"] == {"Fn::GetAtt": [function, "Arn"]}:
            permission = TEMPLATE[f"{name}Permission"]["Properties"]
            assert permission["FunctionName"] == {"Ref": function}
            assert permission["SourceArn"] == {"Fn::GetAtt": [name, "Arn"]}
            assert permission["Principal"] == "events.amazonaws.com"
            found.append(target)
    return found


def test_every_function_in_the_network_is_invoked_once_a_day_so_that_it_stays_active() -> None:
    inside = {name for name, each in TEMPLATE.items() if "VpcConfig" in each.get("Properties", {})}
    # A rule of Chalice's invokes the reconciler every minute.
    for name in inside - {"Reconciler"}:
        [target] = calls_a_day(name)
        assert json.loads(target["Input"])["Records"] == []
