"""A job's parameters, in a separate item, as the job's own item is written often."""

from math import ceil
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError

from chalicelib.config import config
from chalicelib.days import DAY_SECONDS
from chalicelib.errors import Overloaded
from chalicelib.models.json_text import JsonText, as_text
from chalicelib.models.table import Table, unavailable

# DynamoDB deletes expired items within days, in any order. The job must be deleted before its
# parameters.
_STAY_SECONDS = 14 * DAY_SECONDS

MEGA = 10**6

_PREFIX = "parameters:"


class JobParameters(Table):
    """The parameters of a job, which never change; they stay longer than the job."""

    class Meta:
        table_name = config.jobs_table

    id = UnicodeAttribute(hash_key=True)
    values = JsonText()
    expires_at = NumberAttribute()

    @classmethod
    def new(cls, job_id: str, values: dict[str, Any], *, job_expires_at: int) -> "JobParameters":
        """Make the parameters of a new job, not yet stored."""
        return cls(id_of(job_id), values=values, expires_at=job_expires_at + _STAY_SECONDS)

    @classmethod
    def of(cls, job_id: str) -> dict[str, Any]:
        """Read the parameters of a job."""
        stored: dict[str, Any] = cls.get(id_of(job_id), consistent_read=True).values
        return stored

    def store(self) -> None:
        """Store the parameters of a job that is stored next; raise Overloaded if they are not."""
        try:
            self.save()
        except PutError as error:
            if unavailable(error):
                raise Overloaded("the database is overloaded; nothing was stored") from error
            raise


def id_of(job_id: str) -> str:
    """Return the id of the item that has a job's parameters."""
    return f"{_PREFIX}{job_id}"


def size_of(values: dict[str, Any]) -> int:
    """Return how many bytes parameters take when they are stored."""
    return len(as_text(values).encode())


def units_of(values: dict[str, Any]) -> int:
    """Return an image's megapixel-steps, rounded up."""
    pixel_steps: int = values["width"] * values["height"] * values["steps"]
    return ceil(pixel_steps / MEGA)
