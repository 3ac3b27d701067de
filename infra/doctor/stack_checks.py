"""Whether a deployed stack works: its functions, API, GPUs, dead letters, alarms and last boot."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests

from infra.aws import Account
from infra.doctor.lines import OK, PROBLEM, UNKNOWN, Line, look
from infra.template import declared

# The functions in the network ignore it.
NOTHING = declared()["Resources"]["ApiKeepActive"]["Properties"]["Targets"][0]["Input"]
_IN_NETWORK = ("APIHandler", "Worker")
# Of the form of a key, and of no deployment: the authorizer has to look it up.
_NO_KEY = f"dk_{'0' * 12}_{'0' * 43}"
_SECONDS = 30
_NEW_SECONDS = 1200  # an alarm of a new stack has no data yet
_LINES = 8

Ask = Callable[..., requests.Response]


class StackChecks:
    """A stack by its outputs and functions.

    `api_url` is the API's address if it is not API Gateway's own; `key` is an API key, without
    which less is asked.
    """

    def __init__(
        self,
        account: Account,
        stack: str,
        outputs: Mapping[str, str],
        functions: Mapping[str, str],
        *,
        api_url: str = "",
        key: str | None = None,
        ask: Ask = requests.get,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._account = account
        self._stack = stack
        self._outputs = outputs
        self._names = functions
        self._api_url = api_url or outputs["ApiUrl"]
        self._key = key
        self._ask = ask
        self._clock = clock

    def lines(self) -> list[Line]:
        """Return what was found."""
        checks = {
            "functions": self._functions,
            "API": self._api,
            "GPUs": self._gpus,
            "dead letters": self._dead_letters,
            "alarms": self._alarms,
            "alarm e-mail": self._subscriptions,
            "last boot": self._last_boot,
        }
        return [look(what, check) for what, check in checks.items()]

    def _functions(self) -> Line:
        functions, names = self._account.client("lambda"), self._names
        wrong = [text for name, id_ in names.items() if (text := _state(functions, name, id_))]
        wrong = wrong or [
            f"{name} fails: {said}"
            for name in _IN_NETWORK
            if (said := _failure(functions, names[name]))
        ]
        if wrong:
            return Line("functions", PROBLEM, "; ".join(wrong), "see the log of the function")
        return Line("functions", OK, f"all {len(names)} are active; API and worker start")

    def _api(self) -> Line:
        url = f"{self._api_url.rstrip('/')}/api/images/comfyui/status"
        header = {"Authorization": f"Bearer {self._key or _NO_KEY}"}
        try:
            answer = self._ask(url, headers=header, timeout=_SECONDS)
        except requests.RequestException as error:
            remedy = "check the network of this machine, and API Gateway's stage"
            return Line("API", PROBLEM, f"{url} does not answer ({type(error).__name__})", remedy)
        said = _message(answer)
        if answer.ok:
            return Line("API", OK, said)
        if answer.status_code == 401 and not self._key:
            return Line("API", OK, "answers, and refuses an unknown key; KEY= asks for its status")
        remedy = "see the log of the API function"
        return Line("API", PROBLEM, f"answers {answer.status_code}: {said}", remedy)

    def _gpus(self) -> Line:
        items = self._account.client("dynamodb").scan(TableName=self._outputs["FleetTableName"])
        records = [_plain(each) for each in items["Items"]]
        found = [each for each in records if not each["id"].startswith(":")]
        why = next((each["reason"] for each in records if each["id"] == ":creation"), None)
        if not found:
            size = self._outputs.get("FleetSize", "0")
            text = f"none has been seen{f': {why}' if why else ''}; FleetSize={size}"
            state = PROBLEM if why else OK
            return Line("GPUs", state, text, "deploy again, when that is solved" if why else "")
        broken = [each for each in found if each.get("unhealthy_reason")]
        text = "; ".join(f"{each['id']} {_gpu(each)}" for each in found)
        return Line("GPUs", PROBLEM if broken else OK, text, _SESSION if broken else "")

    def _dead_letters(self) -> Line:
        sqs = self._account.client("sqs")
        counts = {
            name: _length(sqs, self._outputs[name])
            for name in ("DeadLetterQueueUrl", "RunsDeadLetterQueueUrl")
        }
        if not any(counts.values()):
            return Line("dead letters", OK, "none")
        text = f"{counts['DeadLetterQueueUrl']} of jobs, {counts['RunsDeadLetterQueueUrl']} of runs"
        remedy = "see the log of the worker or of the function for runs, then run make redrive"
        return Line("dead letters", PROBLEM, text, remedy)

    def _alarms(self) -> Line:
        pages = self._account.client("cloudwatch").get_paginator("describe_alarms")
        found = pages.paginate(AlarmNamePrefix=f"{self._stack}-")
        ringing = [each for page in found for each in page["MetricAlarms"] if self._rings(each)]
        if not ringing:
            return Line("alarms", OK, "none is in alarm")
        text = "; ".join(f"{_short(each)}: {each.get('AlarmDescription', '')}" for each in ringing)
        return Line("alarms", PROBLEM, text, "docs/operations.md has what to do for each")

    def _rings(self, alarm: Mapping[str, Any]) -> bool:
        """Return whether it is in alarm, or has had no data for long, which is an alarm, too."""
        if alarm["StateValue"] == "INSUFFICIENT_DATA" and alarm.get("InsufficientDataActions"):
            return bool(self._clock() - alarm["StateUpdatedTimestamp"].timestamp() > _NEW_SECONDS)
        return bool(alarm["StateValue"] == "ALARM")

    def _subscriptions(self) -> Line:
        topic = self._outputs["AlarmsTopicArn"]
        listed = self._account.client("sns").list_subscriptions_by_topic(TopicArn=topic)
        subscriptions = listed["Subscriptions"]
        if not subscriptions:
            remedy = 'deploy with PARAMETERS="AlarmEmail=you@example.com"'
            return Line("alarm e-mail", PROBLEM, "alarms are sent to nobody", remedy)
        if any(each["SubscriptionArn"] == "PendingConfirmation" for each in subscriptions):
            text = "an address has not confirmed its subscription"
            return Line("alarm e-mail", PROBLEM, text, "open the link in AWS's e-mail")
        return Line("alarm e-mail", OK, f"{len(subscriptions)} subscribed")

    def _last_boot(self) -> Line:
        logs, group = self._account.client("logs"), self._outputs["InstanceLogsName"]
        options = {"logGroupName": group, "orderBy": "LastEventTime", "descending": True}
        streams = logs.describe_log_streams(**options, limit=50)["logStreams"]
        boot = next((each for each in streams if "darkroom-boot" in each["logStreamName"]), None)
        if boot is None:
            return Line("last boot", UNKNOWN, "no instance has sent a log yet")
        name = boot["logStreamName"]
        events = logs.get_log_events(
            logGroupName=group, logStreamName=name, limit=_LINES, startFromHead=False
        )["events"]
        said = " / ".join(each["message"].strip() for each in events) or "empty"
        return Line("last boot", OK, f"{name}: {said}")


_SESSION = "aws ssm start-session --target i-…; docs/operations.md has more"


def _state(functions: Any, name: str, id_: str) -> str | None:
    """Return what is wrong with a function's configuration."""
    found = functions.get_function_configuration(FunctionName=id_)
    if found.get("State", "Active") != "Active":
        return f"{name} is {found['State']}: {found.get('StateReason', '')}"
    if found.get("LastUpdateStatus") == "Failed":
        return f"{name} was not updated: {found.get('LastUpdateStatusReason', '')}"
    return None


def _failure(functions: Any, id_: str) -> str | None:
    """Have a function load and do nothing; return its error."""
    answer = functions.invoke(FunctionName=id_, Payload=NOTHING)
    if not answer.get("FunctionError"):
        return None
    said = json.loads(answer["Payload"].read() or "{}")
    return str(said.get("errorMessage", answer["FunctionError"]))


def _message(answer: requests.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:100]


def _length(sqs: Any, url: str) -> int:
    name = "ApproximateNumberOfMessages"
    return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


def _short(alarm: Mapping[str, Any]) -> str:
    """Return an alarm's name in the template: CloudFormation puts the stack before it."""
    return str(alarm["AlarmName"]).split("-")[-2]


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: next(iter(value.values())) for name, value in item.items()}


def _gpu(record: Mapping[str, Any]) -> str:
    """Return what the reconciler or a follower has last seen of an instance."""
    if not record.get("on_since"):
        seen = "is off"
    elif record.get("ready_at"):
        seen = "is on, ComfyUI is ready"
    else:
        seen = "is on, ComfyUI does not answer yet"
    return ", ".join(filter(None, [seen, record.get("unhealthy_reason")]))
