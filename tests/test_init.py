"""What a function makes at its init: all that its first event uses, without a connection."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import botocore
import pytest
from msgspec import structs

from chalicelib import bootstrap
from chalicelib.config import config
from chalicelib.models import table
from local.stack.processes import ROOT
from tests.conftest import empty_aws, forget_services
from tests.infra.deployment import Deployment
from tests.infra.recording import Recorder

API = "app.app"
EVENTS: dict[str, Callable[[Deployment], object]] = {
    API: lambda deployed: deployed.call("GET", "/api/images/styles"),
    "app.work": lambda deployed: deployed.work(),
    "app.run": lambda deployed: deployed.run("01ARZ3NDEKTSV4RRFFQ69G5FAV", 1_800_000_000.0),
    "app.reconcile": lambda deployed: deployed.reconcile(),
    "app.reclaim": lambda deployed: deployed.reclaim(),
}
AUTHORIZER = "chalicelib.api.authorizer.authorize"


class Made:
    """The services that clients are made of from now on."""

    def __init__(self) -> None:
        self.services: list[str] = []
        botocore.register_initializer(self._listen)

    def end(self) -> None:
        botocore.unregister_initializer(self._listen)

    def _listen(self, session: Any) -> None:
        session.register("creating-client-class", self._note)

    def _note(self, event_name: str, **_: object) -> None:
        self.services.append(event_name.rpartition(".")[2])


@pytest.fixture
def made() -> Iterator[Made]:
    """Clients of a function whose GPU is on; none are made yet."""
    noted = Made()
    yield noted
    noted.end()


@pytest.fixture
def deployment(comfyui: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    with_gpus = structs.replace(config, comfyui_url="", warm_up=0)
    monkeypatch.setattr(bootstrap, "config", with_gpus)
    with empty_aws():
        recorder = Recorder()
        deployed = Deployment(recorder, comfyui)
        deployed.observe()
        yield deployed
        recorder.end()
    forget_services()
    table._shared.cache_clear()


@pytest.mark.parametrize("handler", EVENTS)
def test_the_first_event_of_a_function_makes_no_client(
    deployment: Deployment, made: Made, handler: str
) -> None:
    forget_services()
    table._shared.cache_clear()
    bootstrap.prepare(handler)
    assert "dynamodb" in made.services
    made.services.clear()
    EVENTS[handler](deployment)
    assert made.services == []


def test_nothing_is_made_where_there_is_no_handler(made: Made) -> None:
    forget_services()
    table._shared.cache_clear()
    bootstrap.prepare("")
    assert made.services == []


INIT = """
import socket; socket.socket.connect = None
import botocore, sys
made = []
botocore.register_initializer(lambda session: session.register(
    "creating-client-class", lambda event_name, **_: made.append(event_name.rpartition(".")[2])))
handler = sys.argv[1]
__import__(handler.rpartition(".")[0])
print(*sorted(set(made)))
"""


@pytest.mark.parametrize(
    ("handler", "services"),
    {
        API: "dynamodb",
        "app.work": "dynamodb ec2 s3 sqs",
        "app.run": "dynamodb ec2 sqs",
        "app.reconcile": "dynamodb ec2 s3 scheduler sqs",
        "app.reclaim": "dynamodb ec2 sqs",
        AUTHORIZER: "dynamodb",
    }.items(),
)
def test_the_init_of_a_function_makes_its_clients_and_connects_to_nothing(
    handler: str, services: str
) -> None:
    """With what Lambda sets in its environment, credentials among it."""
    environment = {
        "PATH": "",
        "_HANDLER": handler,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
    }
    run = [sys.executable, "-c", INIT, handler]
    answer = subprocess.run(
        run, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (answer.stdout, answer.stderr) == (f"{services}\n", "")
