"""When each API key last started a GPU without a job, in the jobs table."""

from uuid import uuid4

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.config import config
from chalicelib.errors import TooManyRequests
from chalicelib.models.jobs.job import Job
from chalicelib.models.table import Table

_PAUSE_SECONDS = 3600


class GpuStartLimit(Table):
    """The last start by a key, which may start again at `next_at`, in seconds since the epoch."""

    class Meta:
        table_name = config.jobs_table

    beside = Job

    id = UnicodeAttribute(hash_key=True)
    next_at = NumberAttribute(default=0)
    holder = UnicodeAttribute(null=True)
    expires_at = NumberAttribute()

    @classmethod
    def take(cls, key_id: str, *, now: float) -> "GpuStartLimit":
        """Count a start; raise TooManyRequests if the key had one less than an hour ago."""
        start, holder = cls(f"start:{key_id}"), uuid4().hex
        is_due = cls.next_at.does_not_exist() | (cls.next_at <= now)
        is_ours = cls.holder == holder  # this same write, repeated as its response was lost
        next_at = now + _PAUSE_SECONDS
        counted = (cls.next_at.set(next_at), cls.holder.set(holder))
        expires = cls.expires_at.set(int(next_at) + 1)
        if not start.update_if(is_due | is_ours, *counted, expires):
            start.refresh(consistent_read=True)
            raise TooManyRequests(
                "this API key may start a GPU without a job once an hour",
                retry_seconds=max(int(start.next_at - now) + 1, 1),
            )
        return start

    def give_back(self) -> None:
        """Uncount a start that failed."""
        self.update_if(GpuStartLimit.holder == self.holder, GpuStartLimit.next_at.set(0))
