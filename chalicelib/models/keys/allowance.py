"""The images and the work that each API key asked for each day, in the jobs table."""

from contextlib import suppress

from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.config import config
from chalicelib.days import DAY_SECONDS, seconds_to_next_day
from chalicelib.errors import Forbidden, Overloaded, TooManyRequests, Unanswered
from chalicelib.models.jobs.job import Job
from chalicelib.models.table import Table, sent_once

MEGA = 10**6

_REFUSED: dict[str, str] = {}  # the last day, by its id, on which a key asked for too much


class Work(Struct, frozen=True):
    """Images, and the sum of their width · height · steps, by which they take GPU time."""

    images: int
    pixel_steps: int

    def lacks(self, other: "Work") -> list[str]:
        """Return the limits in this that `other` exceeds, each as a text."""
        images, steps = f"{self.images} images", self.pixel_steps / MEGA
        limits = {
            images: other.images > self.images,
            f"{steps:,.0f} megapixel-steps": other.pixel_steps > self.pixel_steps,
        }
        return [limit for limit, is_over in limits.items() if is_over]

    @classmethod
    def of_day(cls, images: float, megapixel_steps: float) -> "Work":
        """Return the limit of a day as an API key has it."""
        return cls(int(images), int(megapixel_steps) * MEGA)

    def __add__(self, other: "Work") -> "Work":
        return Work(self.images + other.images, self.pixel_steps + other.pixel_steps)


class DailyWork(Table):
    """What one key asked for on one day in UTC."""

    class Meta:
        table_name = config.jobs_table

    beside = Job

    id = UnicodeAttribute(hash_key=True)
    images = NumberAttribute(default=0)
    pixel_steps = NumberAttribute(default=0)
    expires_at = NumberAttribute()

    @property
    def work(self) -> Work:
        return Work(int(self.images), int(self.pixel_steps))


class Allowance:
    """What a key may still ask for today; exact under concurrent requests."""

    def __init__(self, key_id: str, limit: Work) -> None:
        self._key_id = key_id
        self._limit = limit

    def take(self, work: Work, *, now: float) -> None:
        """Count work in one write; raise TooManyRequests, and count nothing, if it is too much.

        Raise Forbidden if it exceeds the limit of a whole day. Raise Unanswered if DynamoDB does
        not answer; the work may be counted. Raise Overloaded if DynamoDB throttles; nothing is
        counted.
        """
        self.check(work)
        images, steps, limit = DailyWork.images, DailyWork.pixel_steps, self._limit
        fit = (images <= limit.images - work.images) & (
            steps <= limit.pixel_steps - work.pixel_steps
        )
        added = (images.add(work.images), steps.add(work.pixel_steps))
        expires = DailyWork.expires_at.set(int(now) + 2 * DAY_SECONDS)
        with sent_once():
            today = self._today(now)
            if not today.update_if(images.does_not_exist() | fit, *added, expires):
                _REFUSED[self._key_id] = today.id
                raise self._exhausted(work, now)

    def was_refused(self, *, now: float) -> bool:
        """Return whether this process has seen that the allowance of this day was too small."""
        return _REFUSED.get(self._key_id) == self._today(now).id

    def check(self, work: Work) -> None:
        """Raise Forbidden if work exceeds the limit of a whole day."""
        if over := self._limit.lacks(work):
            raise Forbidden(
                f"this API key may ask for {' and '.join(over)} a day, and this request is larger",
                suggestion="Ask for fewer or smaller images, or use a key with a larger limit",
            )

    def give_back(self, work: Work, *, now: float) -> None:
        """Uncount work that was not accepted; it stays counted if DynamoDB does not answer."""
        steps = DailyWork.pixel_steps.add(-work.pixel_steps)
        with suppress(Unanswered, Overloaded), sent_once():
            self._today(now).update([DailyWork.images.add(-work.images), steps])

    def _asked(self, now: float) -> Work:
        try:
            return DailyWork.get(self._today(now).id, consistent_read=True).work
        except DailyWork.DoesNotExist:
            return Work(0, 0)

    def _today(self, now: float) -> DailyWork:
        return DailyWork(f"work:{self._key_id}:{int(now // DAY_SECONDS)}")

    def _exhausted(self, work: Work, now: float) -> TooManyRequests:
        lacking = self._limit.lacks(self._asked(now) + work) or [f"{self._limit.images} images"]
        return TooManyRequests(
            f"this API key may ask for {' and '.join(lacking)} a day",
            retry_seconds=seconds_to_next_day(now),
        )
