"""The alarm of the daily budget listens to what the reconciler tells."""

from tests.conftest import RESOURCES


def test_it_rings_at_80_percent_of_the_budget() -> None:
    alarm = RESOURCES["Resources"]["BudgetAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Darkroom", "BudgetPercent")
    assert alarm["Dimensions"] == [{"Name": "Stack", "Value": {"Ref": "AWS::StackName"}}]
    assert (alarm["Statistic"], alarm["Threshold"]) == ("Maximum", 80)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert alarm["AlarmActions"] == [{"Ref": "AlarmsTopic"}]


def test_the_alarm_of_before_is_gone() -> None:
    assert "DailyCostAlarm" not in {*RESOURCES["Resources"], *RESOURCES["Parameters"]}
    assert RESOURCES["Parameters"]["DailyBudget"]["Default"] == 10
