"""The request of a run: its prompt and its seed. Pure."""

import re
from datetime import datetime
from hashlib import sha256
from typing import Any

from msgspec import Struct, ValidationError, convert

from chalicelib.errors import InvalidRequest
from chalicelib.schemas.generation import GenerateRequest
from chalicelib.schemas.limits import SEED_MAX
from chalicelib.schemas.schedules import INCREASING, RANDOM
from chalicelib.services.schedules.zones import zone_of

_PLACEHOLDER = re.compile(r"\{(date|time|weekday|run)\}")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LONGEST = {"date": 10, "time": 5, "weekday": 9, "run": 10}
_PROMPT_LONGEST = 10_000

_SEEDS = 2**53

# Fields of a scheduled request that are not the image's.
_OF_POST = ("post_id", "count")


class Wanted(Struct, frozen=True):
    """What the runs of a schedule make; `request` is a ScheduledRequest without unset fields."""

    schedule_id: str
    request: dict[str, Any]
    prompts: list[str] | None
    seed_policy: str
    timezone: str

    @property
    def count(self) -> int:
        """How many images a run makes."""
        return int(self.request.get("count", 1))

    @property
    def post_id(self) -> str | None:
        return self.request.get("post_id")

    def of_run(self, number: int, at: float) -> GenerateRequest:
        """Return the request of a run by its number and its scheduled time."""
        prompt = filled(self._prompt(number), number, at, self.timezone)
        return self._image(prompt=prompt, seed=self._seed(number))

    def longest(self) -> GenerateRequest:
        """Return the request with the longest prompt that a run may have.

        Raise InvalidRequest if that is longer than a prompt may be.
        """
        prompts = self.prompts or [self.request["prompt"]]
        longest = max((_at_most(each) for each in prompts), key=len)
        if len(longest) > _PROMPT_LONGEST:
            raise InvalidRequest(
                f"a prompt with its placeholders replaced may have {_PROMPT_LONGEST:,} characters,"
                f" and one of these has {len(longest):,}",
                field="prompts" if self.prompts else "request.prompt",
            )
        return self._image(prompt=longest)

    def _image(self, **changed: Any) -> GenerateRequest:
        own = {name: value for name, value in self.request.items() if name not in _OF_POST}
        try:
            return convert({**own, **changed}, GenerateRequest)
        except ValidationError as error:  # it was stored under other rules
            raise InvalidRequest("the request is no longer valid", field="request") from error

    def _prompt(self, number: int) -> str:
        if self.prompts:
            return self.prompts[(number - 1) % len(self.prompts)]
        return str(self.request["prompt"])

    def _seed(self, number: int) -> int:
        """Return the seed of a run's first image; -1 for a random one."""
        if self.seed_policy == RANDOM:
            return -1
        asked = int(self.request.get("seed", -1))
        base = asked if asked >= 0 else own_seed(self.schedule_id)
        # A run of several images takes as many seeds, so that no two runs share one.
        steps = (number - 1) * self.count if self.seed_policy == INCREASING else 0
        return (base + steps) % (SEED_MAX + 1)


def own_seed(schedule_id: str) -> int:
    """Return the seed of a schedule whose request has none."""
    return int.from_bytes(sha256(schedule_id.encode()).digest()) % _SEEDS


def filled(prompt: str, number: int, at: float, timezone: str) -> str:
    """Replace `{date}`, `{time}`, `{weekday}` and `{run}`; other braces stay."""
    local = datetime.fromtimestamp(at, zone_of(timezone))
    values = {
        "date": local.strftime("%Y-%m-%d"),
        "time": local.strftime("%H:%M"),
        "weekday": _WEEKDAYS[local.weekday()],
        "run": str(number),
    }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], prompt)


def _at_most(prompt: str) -> str:
    return _PLACEHOLDER.sub(lambda found: "x" * _LONGEST[found[1]], prompt)
