"""`make doctor`: what it looks at in an account and in a deployment, and what it says."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from infra.aws import Account
from infra.deploy.choices import IMAGES
from infra.deploy.deployment import intended
from infra.doctor.account_checks import AccountChecks
from infra.doctor.lines import OK, PROBLEM, STOP, UNKNOWN, Line, table
from infra.doctor.stack_checks import StackChecks
from infra.template import declared
from tests.infra.recorded import REGION, Recorded, Refused

ACCOUNT = "123456789012"
ZONES = [
    {"ZoneName": f"eu-west-1{letter}", "ZoneId": f"euw1-az{number}", "State": "available"}
    for number, letter in enumerate("abc", start=1)
]


# The lines that ask AWS.
ASKED = ["stack", "data", "uploads", "concurrency", "GPU quota", "GPU zones", "AMI", "disk key"]


def offers(**zones: str) -> list[dict[str, str]]:
    return [
        {"InstanceType": name.replace("_", "."), "Location": f"eu-west-1{letter}"}
        for name, letters in zones.items()
        for letter in letters
    ]


def limits(count: int) -> dict[str, Any]:
    known = {"ConcurrentExecutions": count, "UnreservedConcurrentExecutions": count}
    return {"AccountLimit": known}


def stacks(**statuses: str) -> Any:
    """Return the answer about stacks, of which one or all are asked for."""
    known = {
        name.replace("_", "-"): {
            "StackName": name.replace("_", "-"),
            "StackStatus": status,
            "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
        }
        for name, status in statuses.items()
    }

    def answer(asked: Mapping[str, str]) -> Any:
        name = asked.get("StackName")
        if name and name not in known:
            return Refused("ValidationError", f"Stack with id {name} does not exist")
        return {"Stacks": [known[name]] if name else list(known.values())}

    return answer


GOOD: dict[str, Any] = {
    "DescribeStacks": stacks(darkroom_b="CREATE_COMPLETE", other="CREATE_COMPLETE"),
    "ListTables": {"TableNames": ["darkroom-b-JobsTable-1", "other"]},
    "ListBuckets": {"Buckets": [{"Name": f"darkroom-deployments-{ACCOUNT}-eu-west-1"}]},
    "HeadBucket": {},
    "GetAccountSettings": limits(1000),
    "GetServiceQuota": {"Quota": {"Value": 8.0}},
    "DescribeAvailabilityZones": {"AvailabilityZones": ZONES},
    "DescribeInstanceTypeOfferings": {
        "InstanceTypeOfferings": offers(g6_xlarge="ab", g5_xlarge="abc")
    },
    "DescribeInstanceTypes": {"InstanceTypes": [{"VCpuInfo": {"DefaultVCpus": 4}}]},
    "GetParameters": {"Parameters": [{"Name": IMAGES[0], "Value": "ami-0123456789abcdef0"}]},
    "GetEbsDefaultKmsKeyId": {"KmsKeyId": "alias/aws/ebs"},
}


def resolves(*missing: str) -> Any:
    return lambda host, _: not any(part in host for part in missing)


def examined(
    session: Recorded, resolver: Any = None, **given: str
) -> tuple[dict[str, Line], Recorded]:
    parameters = intended(declared(), given, {})
    account = AccountChecks(
        Account(ACCOUNT, REGION, session), "darkroom-a", parameters, resolver or resolves()
    )
    return {each.what: each for each in account.lines()}, session


def line(what: str, **answers: Any) -> Line:
    lines, _ = examined(Recorded(**{**GOOD, **answers}))
    return lines[what]


def test_an_account_that_has_all_gets_ok_for_each_line_and_nothing_is_changed() -> None:
    lines, session = examined(Recorded(**GOOD))
    assert {each.state for each in lines.values()} == {OK}, lines
    assert list(lines) == ["services", *ASKED]
    assert all(each.startswith(("Describe", "Get", "Head", "List")) for each in session.asked)


def test_without_any_right_each_line_names_what_could_not_be_asked() -> None:
    lines, _ = examined(Recorded())
    unknown = {what for what, each in lines.items() if each.state == UNKNOWN}
    assert unknown == {*ASKED}
    assert "DescribeStacks" in lines["stack"].text
    assert "allow" in lines["concurrency"].text


def test_a_stack_without_instances_is_not_asked_for_gpus() -> None:
    for given in ({"FleetSize": "0"}, {"ComfyUIUrl": "https://comfyui.example"}):
        lines, _ = examined(Recorded(**GOOD), **given)
        assert list(lines) == ["services", "stack", "data", "uploads", "concurrency"]


@pytest.mark.parametrize(
    ("missing", "given", "state", "said"),
    [
        ("ec2.eu-west-1.api.aws", {}, STOP, "NatGateway=yes"),
        ("ec2.eu-west-1.api.aws", {"NatGateway": "yes"}, OK, "all are here"),
        ("scheduler", {}, STOP, "EventBridge Scheduler"),
        ("lambda", {"NatGateway": "yes"}, STOP, "Lambda"),
    ],
)
def test_services_that_functions_cannot_reach_stop_a_deployment(
    missing: str, given: dict[str, str], state: str, said: str
) -> None:
    lines, _ = examined(Recorded(**GOOD), resolves(missing), **given)
    assert lines["services"].state == state
    assert said in f"{lines['services'].text} {lines['services'].remedy}"


def test_a_machine_that_resolves_no_name_says_so() -> None:
    lines, _ = examined(Recorded(**GOOD), lambda *_: None)
    assert lines["services"].state == UNKNOWN


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("CREATE_COMPLETE", OK),
        ("REVIEW_IN_PROGRESS", OK),
        ("UPDATE_IN_PROGRESS", PROBLEM),
        ("ROLLBACK_COMPLETE", PROBLEM),
        ("UPDATE_ROLLBACK_FAILED", PROBLEM),
    ],
)
def test_a_stack_in_a_failed_state_is_a_problem(status: str, state: str) -> None:
    found = line("stack", DescribeStacks=stacks(darkroom_a=status))
    assert (found.state, status in found.text) == (state, True)


def test_other_stacks_of_the_account_are_named() -> None:
    assert line("stack").text == "darkroom-a does not exist yet; others here: darkroom-b"


def test_a_bucket_of_somebody_else_stops_a_deployment() -> None:
    found = line("uploads", HeadBucket=Refused("403"))
    assert found.state == STOP
    assert f"darkroom-deployments-{ACCOUNT}-eu-west-1" in found.text
    assert line("uploads", HeadBucket=Refused("404")).state == OK
    assert line("uploads", HeadBucket=Refused("503")).state == UNKNOWN


def test_what_deleted_stacks_have_left_is_named() -> None:
    found = line("data", ListTables={"TableNames": ["darkroom-old-JobsTable-1", "darkroom-b-Keys"]})
    assert (found.state, found.text) == (
        PROBLEM, "1 tables and buckets of former stacks: darkroom-old-JobsTable-1",
    )  # fmt: skip


def test_a_new_account_is_told_what_few_functions_mean() -> None:
    found = line("concurrency", GetAccountSettings=limits(10))
    assert (found.state, "10 functions at a time" in found.text) == (PROBLEM, True)
    lines, _ = examined(Recorded(**{**GOOD, "GetAccountSettings": limits(10)}), FleetMax="5")
    assert lines["concurrency"].state == STOP


@pytest.mark.parametrize(("vcpus", "size", "state"), [(0, 1, PROBLEM), (4, 1, OK), (4, 2, PROBLEM)])
def test_the_quota_of_gpus_has_to_be_enough_for_all_instances(
    vcpus: int, size: int, state: str
) -> None:
    answers = {**GOOD, "GetServiceQuota": {"Quota": {"Value": float(vcpus)}}}
    lines, _ = examined(Recorded(**answers), FleetSize=str(size))
    found = lines["GPU quota"]
    assert found.state == state
    assert f"'Running On-Demand G and VT instances' is {vcpus} vCPUs" in found.text
    assert f"needs {4 * size}" in found.text


def test_types_that_the_region_does_not_offer_are_named() -> None:
    some = {"InstanceTypeOfferings": offers(g5_xlarge="a")}
    found = line("GPU zones", DescribeInstanceTypeOfferings=some)
    assert (found.state, found.text) == (
        PROBLEM, "g5.xlarge in eu-west-1a. Not here: g6.xlarge",
    )  # fmt: skip
    none = line("GPU zones", DescribeInstanceTypeOfferings={"InstanceTypeOfferings": []})
    assert (none.state, "none of g6.xlarge, g5.xlarge" in none.text) == (PROBLEM, True)


def test_a_region_without_a_known_ami_names_others() -> None:
    found = line(
        "AMI",
        GetParameters={"Parameters": []},
        GetParametersByPath={"Parameters": [{"Name": "/x/pytorch-3-ubuntu-26.04/ami-id"}]},
    )
    assert (found.state, "pytorch-3-ubuntu-26.04" in found.text) == (PROBLEM, True)


@pytest.mark.parametrize(
    ("answer", "state"),
    [({"Images": []}, OK), (Refused("InvalidAMIID.NotFound"), PROBLEM), (Refused("X"), UNKNOWN)],
)
def test_an_ami_that_was_chosen_before_may_be_withdrawn(answer: Any, state: str) -> None:
    session = Recorded(**{**GOOD, "DescribeImages": answer})
    lines, _ = examined(session, ImageId="ami-0123456789abcdef1")
    assert lines["AMI"].state == state


def test_the_key_of_the_disks_is_named() -> None:
    arn = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd"
    key = {"KeyMetadata": {"KeyId": "1234abcd", "Arn": arn, "KeyManager": "CUSTOMER"}}
    custom = {"GetEbsDefaultKmsKeyId": {"KmsKeyId": arn}}
    assert line("disk key", **custom, DescribeKey=key).text == arn
    assert line("disk key", **custom).state == UNKNOWN
    assert line("disk key").text == "AWS's own"


OUTPUTS = {
    "ApiUrl": "https://api.example/live",
    "FleetTableName": "fleet",
    "FleetSize": "1",
    "DeadLetterQueueUrl": "https://sqs.eu-west-1.amazonaws.com/1/dead",
    "RunsDeadLetterQueueUrl": "https://sqs.eu-west-1.amazonaws.com/1/dead-runs",
    "AlarmsTopicArn": "arn:aws:sns:eu-west-1:123456789012:alarms",
    "InstanceLogsName": "logs",
}
FUNCTIONS = {"APIHandler": "a-APIHandler-1", "Worker": "a-Worker-1", "Reclaim": "a-Reclaim-1"}
SUBSCRIPTION = "arn:aws:sns:eu-west-1:123456789012:alarms:1"
READY = {"id": {"S": "i-1"}, "on_since": {"N": "1"}, "ready_at": {"N": "2"}}
WORKING: dict[str, Any] = {
    "GetFunctionConfiguration": {"State": "Active", "LastUpdateStatus": "Successful"},
    "Invoke": {"StatusCode": 200, "Payload": io.BytesIO(b"null")},
    "Scan": {"Items": [READY, {"id": {"S": ":starts"}}]},
    "GetQueueAttributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}},
    "DescribeAlarms": {"MetricAlarms": []},
    "ListSubscriptionsByTopic": {"Subscriptions": [{"SubscriptionArn": SUBSCRIPTION}]},
    "DescribeLogStreams": {"logStreams": [{"logStreamName": "i-1/darkroom-boot"}]},
    "GetLogEvents": {"events": [{"message": "ready after 88 s\n"}]},
}


def refusing(status: int = 401, body: bytes = b'{"message": "API key required"}') -> Any:
    def ask(url: str, **_: Any) -> requests.Response:
        assert url == "https://api.example/live/api/images/comfyui/status"
        answer = requests.Response()
        answer.status_code, answer._content = status, body
        return answer

    return ask


def deployed(
    ask: Any = None, key: str | None = None, outputs: Mapping[str, str] = OUTPUTS, **answers: Any
) -> dict[str, Line]:
    session = Recorded(**{**WORKING, **answers})
    found = StackChecks(
        Account(ACCOUNT, REGION, session),
        "darkroom-a",
        outputs,
        FUNCTIONS,
        key=key,
        ask=ask or refusing(),
    ).lines()
    return {each.what: each for each in found}


def test_a_deployment_that_works_gets_ok_for_each_line() -> None:
    lines = deployed()
    assert {each.state for each in lines.values()} == {OK}, lines
    assert "ComfyUI is ready" in lines["GPUs"].text
    assert lines["last boot"].text == "i-1/darkroom-boot: ready after 88 s"
    assert "refuses an unknown key" in lines["API"].text


def test_with_a_key_the_api_says_how_comfyui_is() -> None:
    lines = deployed(
        refusing(200, b'{"message": "ComfyUI is ready. No jobs are waiting."}'), "dk_x"
    )
    assert lines["API"] == Line("API", OK, "ComfyUI is ready. No jobs are waiting.")
    assert deployed(refusing(401), "dk_x")["API"].state == PROBLEM


@pytest.mark.parametrize("status", [403, 500, 503])
def test_an_api_that_answers_with_an_error_is_a_problem(status: int) -> None:
    found = deployed(refusing(status, b"<html>"))["API"]
    assert (found.state, found.text) == (PROBLEM, f"answers {status}: <html>")


def test_an_api_that_does_not_answer_is_a_problem() -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise requests.ConnectionError

    assert "does not answer (ConnectionError)" in deployed(fail)["API"].text


def test_a_function_that_is_not_active_or_does_not_start_is_a_problem() -> None:
    inactive = {"State": "Inactive", "StateReason": "idle"}
    found = deployed(GetFunctionConfiguration=inactive)["functions"]
    assert "APIHandler is Inactive: idle" in found.text
    said = io.BytesIO(b'{"errorMessage": "No module named app"}')
    broken = {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": said}
    found = deployed(Invoke=broken)["functions"]
    assert (found.state, "No module named app" in found.text) == (PROBLEM, True)


def test_a_gpu_that_was_not_launched_or_does_not_work_is_a_problem_with_its_reason() -> None:
    none = {"Items": [{"id": {"S": ":creation"}, "reason": {"S": "EC2 has no capacity"}}]}
    found = deployed(Scan=none)["GPUs"]
    assert (found.state, "EC2 has no capacity" in found.text) == (PROBLEM, True)
    assert deployed(Scan={"Items": []})["GPUs"].state == OK
    booting = {"id": {"S": "i-2"}, "on_since": {"N": "1"}}
    seen = deployed(Scan={"Items": [READY, booting, {"id": {"S": "i-3"}}]})["GPUs"].text
    assert seen.split("; ") == [
        "i-1 is on, ComfyUI is ready",
        "i-2 is on, ComfyUI does not answer yet",
        "i-3 is off",
    ]
    ill = {**READY, "unhealthy_reason": {"S": "the boot failed"}}
    assert deployed(Scan={"Items": [ill]})["GPUs"].state == PROBLEM


def test_dead_letters_alarms_and_unconfirmed_addresses_are_problems() -> None:
    two = {"Attributes": {"ApproximateNumberOfMessages": "2"}}
    assert deployed(GetQueueAttributes=two)["dead letters"].text == "2 of jobs, 2 of runs"
    name = "darkroom-a-FailedBootsAlarm-1ABC"
    ringing = {"AlarmName": name, "AlarmDescription": "A boot failed.", "StateValue": "ALARM"}
    quiet = {"AlarmName": "darkroom-a-ApiErrorsAlarm-1ABC", "StateValue": "OK"}
    found = deployed(DescribeAlarms={"MetricAlarms": [ringing, quiet]})["alarms"]
    assert (found.state, found.text) == (PROBLEM, "FailedBootsAlarm: A boot failed.")
    pending = {"Subscriptions": [{"SubscriptionArn": "PendingConfirmation"}]}
    assert deployed(ListSubscriptionsByTopic=pending)["alarm e-mail"].state == PROBLEM
    nobody = deployed(ListSubscriptionsByTopic={"Subscriptions": []})["alarm e-mail"]
    assert "AlarmEmail" in nobody.remedy


@pytest.mark.parametrize(("minutes", "state"), [(10, OK), (30, PROBLEM)])
def test_a_reconciler_that_is_silent_for_long_is_a_problem(minutes: int, state: str) -> None:
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    silent = {
        "AlarmName": "darkroom-a-ReconcilerSilentAlarm-1ABC",
        "StateValue": "INSUFFICIENT_DATA",
        "StateUpdatedTimestamp": since,
        "InsufficientDataActions": ["arn:aws:sns:eu-west-1:1:alarms"],
    }
    without_action = {**silent, "InsufficientDataActions": []}
    found = deployed(DescribeAlarms={"MetricAlarms": [silent]})["alarms"]
    assert found.state == state
    assert deployed(DescribeAlarms={"MetricAlarms": [without_action]})["alarms"].state == OK


def test_without_a_log_the_last_boot_is_unknown() -> None:
    assert deployed(DescribeLogStreams={"logStreams": []})["last boot"].state == UNKNOWN


def test_the_table_has_a_row_for_each_line_and_wraps_long_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    rows = list(table([Line("API", OK, "answers"), Line("GPU quota", PROBLEM, "a " * 40, "ask")]))
    assert rows[0] == "API        ok       answers"
    assert rows[1].startswith("GPU quota  problem  a a")
    assert all(len(each) <= 60 for each in rows[1].split("\n"))
    assert rows[1].endswith("Remedy: ask")
