"""How many images each API key asked for on each day, beside the jobs."""

from contextlib import suppress

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.config import config
from chalicelib.errors import Overloaded, TooManyRequests, Unanswered
from chalicelib.models.job import Job
from chalicelib.models.table import Table, sent_once

_DAY_SECONDS = 86_400


class DailyImages(Table):
    """The count of one key on one day, by UTC."""

    class Meta:
        table_name = config.jobs_table

    beside = Job

    id = UnicodeAttribute(hash_key=True)
    images = NumberAttribute(default=0)
    expires_at = NumberAttribute()


class Allowance:
    """What a key may still ask for today; exact however many ask at once."""

    def __init__(self, key_id: str, images_per_day: int) -> None:
        self._key_id = key_id
        self._limit = images_per_day

    def take(self, count: int, *, now: float) -> None:
        """Count so many images; raise TooManyRequests, with none counted, if they are too many.

        Raise Unanswered if DynamoDB does not say whether it counted them; they may be counted.
        Raise Overloaded if it had no time, with none counted.
        """
        if count > self._limit:
            raise self._exhausted(now)
        images = DailyImages.images
        fit = images.does_not_exist() | (images <= self._limit - count)
        expires = DailyImages.expires_at.set(int(now) + 2 * _DAY_SECONDS)
        with sent_once():
            if not self._today(now).update_if(fit, images.add(count), expires):
                raise self._exhausted(now)

    def give_back(self, count: int, *, now: float) -> None:
        """Uncount images that were not accepted; they stay counted if DynamoDB does not answer."""
        with suppress(Unanswered, Overloaded), sent_once():
            self._today(now).update([DailyImages.images.add(-count)])

    def _today(self, now: float) -> DailyImages:
        return DailyImages(f"images:{self._key_id}:{int(now // _DAY_SECONDS)}")

    def _exhausted(self, now: float) -> TooManyRequests:
        return TooManyRequests(
            f"this API key may ask for {self._limit} images a day",
            retry_seconds=int(_DAY_SECONDS - now % _DAY_SECONDS) + 1,
        )
