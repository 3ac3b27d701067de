"""The Idempotency-Key of a request that created a schedule."""

from pynamodb.attributes import UnicodeAttribute

from chalicelib.config import config
from chalicelib.models.idempotency import IdempotencyKey
from chalicelib.models.schedules.schedule import Schedule


class CreationKey(IdempotencyKey):
    class Meta:
        table_name = config.schedules_table

    beside = Schedule

    schedule_id = UnicodeAttribute()
