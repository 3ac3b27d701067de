"""The worker: do what a message asks for, which may come twice, late, or in vain."""

from collections.abc import Callable

from chalicelib.services.gpus.demand import Demand
from chalicelib.services.gpus.follower import Parts, follow
from chalicelib.services.gpus.messages import Message

_SPARE_SECONDS = 20  # to store images, to finish, and to hand over


class Worker:
    def __init__(self, parts: Parts, demand: Demand, clock: Callable[[], float]) -> None:
        self._parts = parts
        self._demand = demand
        self._clock = clock

    def work(self, body: str, *, remaining_seconds: float) -> None:
        """Follow an instance, or start one, for one invocation."""
        message = Message.read(body)
        if message.instance_id is None:
            return self._demand.start(is_check=message.is_check)
        until = self._clock() + remaining_seconds - _SPARE_SECONDS
        return follow(self._parts, message, until=until)
