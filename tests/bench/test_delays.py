"""Latencies like AWS's: which ones there are, and that each HTTP attempt waits for its own."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from aiohttp import web
from botocore.config import Config
from botocore.session import get_session

from bench.delays import Delays
from bench.latencies import Latencies
from tests.gateways.faulty import Script, serving

LATENCIES = Latencies(dynamodb=1, transaction=2, sqs=3, s3_put=4, s3_get=5, ec2=6, scheduler=7)


def test_latencies_are_given_by_name_and_the_others_keep_their_defaults() -> None:
    found = Latencies.parse("dynamodb=7 s3_put=30.5")
    assert (found.dynamodb, found.s3_put, found.sqs) == (7, 30.5, Latencies().sqs)


@pytest.mark.parametrize("text", ["dynamo=4", "sqs=fast", "sqs"])
def test_an_unknown_latency_is_refused_with_the_names_of_all(text: str) -> None:
    with pytest.raises(ValueError, match="dynamodb, transaction, sqs, s3_put"):
        Latencies.parse(text)


@pytest.mark.parametrize(
    ("service", "operation", "milliseconds"),
    [
        ("dynamodb", "UpdateItem", 1),
        ("dynamodb", "TransactWriteItems", 2),
        ("sqs", "SendMessage", 3),
        ("s3", "PutObject", 4),
        ("s3", "GetObject", 5),
        ("ec2", "StartInstances", 6),
        ("scheduler", "CreateSchedule", 7),
    ],
)
def test_a_call_has_the_latency_of_its_kind(
    service: str, operation: str, milliseconds: float
) -> None:
    assert LATENCIES.of(service, operation) == milliseconds


class Server:
    """Answers with these statuses, one after the other, and then with 200."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = iter(statuses)
        self.script = Script(answers={"": self._answer, "bucket": self._answer})

    async def _answer(self, _: web.Request) -> web.Response:
        return web.json_response({}, status=next(self._statuses, 200))


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def delays(pauses: list[float]) -> Iterator[Delays]:
    made = Delays(LATENCIES, pause=pauses.append)
    yield made
    made.end()


def _sqs(url: str) -> Any:
    retries = {"total_max_attempts": 3, "mode": "standard"}
    return get_session().create_client("sqs", endpoint_url=url, config=Config(retries=retries))


def test_each_attempt_of_a_call_is_delayed_while_delays_are_on(
    delays: Delays, pauses: list[float]
) -> None:
    with serving(Server(503).script) as url:
        sqs = _sqs(url)
        with delays.on():
            sqs.list_queues()
        assert pauses == [0.003, 0.003]
        sqs.list_queues()
        assert len(pauses) == 2


def test_requests_of_signed_links_are_delayed_and_others_are_not(
    delays: Delays, pauses: list[float]
) -> None:
    with serving(Server().script) as url, requests.Session() as http, delays.on():
        delays.mount(http, f"{url}/bucket")
        http.put(f"{url}/bucket/a.png", timeout=5)
        http.get(f"{url}/bucket/a.png", timeout=5)
        http.get(f"{url}/", timeout=5)
    assert pauses == [0.004, 0.005]
