"""A run that one driver hands over to the next in mid-sampling, or whose caller has left."""

from uuid import uuid4

import pytest

from chalicelib.gateways.comfyui.client import ComfyUI
from chalicelib.gateways.comfyui.events import Event
from chalicelib.gateways.comfyui.state import Waiting
from tests.contracts.graphs import picture
from tests.contracts.protocol import ComfyUI as Server
from tests.gateways.following import Followed, connect, follow_at, outputs_of, ticking
from tests.local.stand_in import CHECKPOINT


class Socket:
    """A socket on which one message comes again and again, or none."""

    is_connected = True

    def __init__(self, message: Event | None) -> None:
        self._message = message
        self.renewals = 0

    def next(self, _seconds: float) -> Event | None:
        return self._message

    def renew(self) -> None:
        self.renewals += 1


def submitted(gateway: ComfyUI, steps: int) -> str:
    """Submit a run, as a driver does that is no longer there."""
    attempt_id, graph = str(uuid4()), picture(CHECKPOINT, steps)
    gateway.submit(attempt_id, graph, outputs_of(graph))
    return attempt_id


def test_a_run_that_was_handed_over_is_followed_to_its_image(
    server: Server, gateway: ComfyUI
) -> None:
    attempt_id, followed = submitted(gateway, steps=60), Followed()
    with gateway.events(attempt_id) as first:
        followed.state = gateway.follow(attempt_id, first, until=0, report=followed)
    assert followed.state == Waiting(0, attempt_id)
    later = follow_at(server.url, attempt_id)
    assert len(later.images) == 1
    assert {"value": 60, "max": 60, "node": "3"} in later.reports


def test_a_run_ends_with_its_image_although_the_first_socket_closes_late(gateway: ComfyUI) -> None:
    attempt_id, followed = submitted(gateway, steps=100), Followed()
    with gateway.events(attempt_id) as first, gateway.events(attempt_id) as second:
        first.__exit__()
        until = float("inf")
        followed.state = gateway.follow(attempt_id, second, until=until, report=followed)
    assert len(followed.images) == 1


@pytest.mark.parametrize(
    ("message", "renewals"),
    [(None, {4, 5, 6}), (("progress", {"prompt_id": "x", "value": 1, "max": 2, "node": "3"}), {0})],
    ids=["silent", "heard"],
)
def test_a_socket_that_is_silent_for_twenty_seconds_of_a_run_is_renewed(
    server: Server, message: Event | None, renewals: set[int]
) -> None:
    gateway, socket = connect(server.url, ticking(1)), Socket(message)
    attempt_id = submitted(gateway, steps=10_000)
    gateway.follow(attempt_id, socket, until=120, report=Followed())  # type: ignore[arg-type]
    gateway.drop(attempt_id)
    assert socket.renewals in renewals  # in 120 seconds
