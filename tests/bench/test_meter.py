"""Which calls are counted, and as whose."""

from collections.abc import Iterator
from io import BytesIO

import pytest

from bench.calls.meter import Meter, summary
from bench.calls.paths import Path
from bench.latencies import Latencies
from chalicelib import bootstrap
from chalicelib.models import table
from chalicelib.models.keys.api_key import ApiKey
from chalicelib.services.together import in_threads
from infra.keys import create

KEY = "images/01K/0.png"


@pytest.fixture
def meter(aws: None) -> Iterator[Meter]:
    table._shared.cache_clear()
    made = Meter(Latencies(s3_put=25, dynamodb=4))
    made.mount(bootstrap.services().gateways.http)
    yield made
    made.end()
    table._shared.cache_clear()


def store() -> None:
    bootstrap.services().images.put(KEY, BytesIO(b"png"), 3)


def test_an_upload_is_a_call_and_signing_a_link_is_none(meter: Meter) -> None:
    with meter.during("Worker"):
        store()
        assert bootstrap.services().images.url(KEY)
    calls, path = meter.take()
    assert [call.name for call in calls] == ["s3 PutObject"]
    assert path == Path(1, 25)


def test_uploads_at_once_are_two_calls_of_which_one_waits_for_one(meter: Meter) -> None:
    with meter.during("Worker"):
        in_threads([store, store])
    found = summary(meter.take())
    assert (found["other_calls"], found["round_trips"], found["waited_ms"]) == (2, 1, 25)


def test_calls_of_the_authorizer_are_marked_and_waited_for(meter: Meter) -> None:
    token = create("a", requests_per_minute=5)
    with meter.during("Authorizer"):
        ApiKey.known(token, now=0)
    with meter.during("APIHandler"):
        ApiKey.known(token, now=0)
    found = summary(meter.take())
    assert found["calls"] == {"authorizer: GetItem KeysTable": 1, "GetItem KeysTable": 1}
    assert (found["dynamodb_calls"], found["authorizer_calls"]) == (1, 1)
    assert (found["round_trips"], found["waited_ms"]) == (2, 8)
