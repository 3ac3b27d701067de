"""The alarm of failed boots watches the metric that each of them emits."""

from tests.environment import RESOURCES


def test_the_alarm_goes_off_at_the_first_failed_boot() -> None:
    alarm = RESOURCES["Resources"]["FailedBootsAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Darkroom", "FailedBoots")
    assert alarm["Dimensions"] == [{"Name": "Stack", "Value": {"Ref": "AWS::StackName"}}]
    assert (alarm["Statistic"], alarm["Threshold"], alarm["Period"]) == ("Sum", 1, 300)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert alarm["AlarmActions"] == [{"Ref": "AlarmsTopic"}]
