"""The alarm of the daily budget watches the reconciler's metric."""

from tests.environment import RESOURCES


def test_the_alarm_goes_off_at_80_percent_of_the_budget() -> None:
    alarm = RESOURCES["Resources"]["BudgetAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Darkroom", "BudgetPercent")
    assert alarm["Dimensions"] == [{"Name": "Stack", "Value": {"Ref": "AWS::StackName"}}]
    assert (alarm["Statistic"], alarm["Threshold"]) == ("Maximum", 80)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert alarm["AlarmActions"] == [{"Ref": "AlarmsTopic"}]


def test_the_daily_budget_has_replaced_the_daily_cost_alarm() -> None:
    assert "DailyCostAlarm" not in {*RESOURCES["Resources"], *RESOURCES["Parameters"]}
    assert RESOURCES["Parameters"]["DailyBudget"]["Default"] == 10
