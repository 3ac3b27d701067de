"""When the reconciler last compared all schedules with those that AWS has."""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.config import config
from chalicelib.days import DAY_SECONDS
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.models.table import Table

# The id of the only item; `make deploy` deletes it.
COMPARISON = "comparison"


class Comparison(Table):
    class Meta:
        table_name = config.schedules_table

    beside = Schedule

    id = UnicodeAttribute(hash_key=True)
    compared_at = NumberAttribute(default=0)

    @classmethod
    def is_due(cls, now: float) -> bool:
        """Return whether the last one was a day ago, or there was none since the deployment."""
        try:
            last = cls.get(COMPARISON, consistent_read=True)
        except cls.DoesNotExist:
            return True
        return bool(last.compared_at <= now - DAY_SECONDS)

    @classmethod
    def note(cls, now: float) -> None:
        cls(COMPARISON, compared_at=now).save()
