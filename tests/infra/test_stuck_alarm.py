"""The alarm of instances that hang watches the metric that the reconciler emits."""

from tests.environment import RESOURCES


def test_the_alarm_goes_off_when_an_instance_hangs() -> None:
    alarm = RESOURCES["Resources"]["StuckInstancesAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Darkroom", "StuckInstances")
    assert alarm["Dimensions"] == [{"Name": "Stack", "Value": {"Ref": "AWS::StackName"}}]
    assert (alarm["Statistic"], alarm["Threshold"], alarm["Period"]) == ("Sum", 1, 300)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert alarm["AlarmActions"] == [{"Ref": "AlarmsTopic"}]
