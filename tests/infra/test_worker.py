"""The worker's function: it may call itself, within limits that an alarm watches."""

import json
from pathlib import Path

from infra.deploy.workers import workers
from tests.environment import RESOURCES

DECLARED = RESOURCES["Resources"]
CHALICE = json.loads((Path(__file__).parents[2] / ".chalice" / "config.json").read_text())


def test_the_worker_alone_may_call_itself() -> None:
    allowed = {
        name: each["Properties"]["RecursiveLoop"]
        for name, each in DECLARED.items()
        if "RecursiveLoop" in each.get("Properties", {})
    }
    assert allowed == {"Worker": "Allow"}


def test_the_alarm_goes_off_when_the_worker_runs_more_often_than_the_gpus_explain() -> None:
    alarm = DECLARED["WorkerInvocationsAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", "Invocations")
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "Worker"}}]
    assert (alarm["Statistic"], alarm["Period"]) == ("Sum", 300)
    assert alarm["Threshold"] == {"Ref": "MostWorkerInvocations"}
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
    assert alarm["AlarmActions"] == [{"Ref": "AlarmsTopic"}]


def test_the_defaults_of_the_template_are_those_of_its_default_fleet() -> None:
    parameters = RESOURCES["Parameters"]
    made = workers(parameters["FleetMax"]["Default"])
    assert {name: str(parameters[name]["Default"]) for name in made} == made


def test_a_message_stays_invisible_for_six_times_the_time_out_of_its_worker() -> None:
    seconds = CHALICE["lambda_functions"]["worker"]["lambda_timeout"]
    assert DECLARED["JobsQueue"]["Properties"]["VisibilityTimeout"] >= 6 * seconds


def test_a_message_is_tried_five_times_as_aws_advises_for_queues_of_functions() -> None:
    assert DECLARED["JobsQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] >= 5
