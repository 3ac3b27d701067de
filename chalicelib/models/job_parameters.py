"""What a job is to make, in an item of its own: the job's item is written again and again."""

from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.config import config
from chalicelib.models.json_text import JsonText, as_text
from chalicelib.models.table import Table

_PREFIX = "parameters:"


class JobParameters(Table):
    """The parameters of a job, which never change; beside the job, and as long as it."""

    class Meta:
        table_name = config.jobs_table

    id = UnicodeAttribute(hash_key=True)
    values = JsonText()
    expires_at = NumberAttribute()

    @classmethod
    def of(cls, job_id: str) -> dict[str, Any]:
        """Read the parameters of a job."""
        stored: dict[str, Any] = cls.get(id_of(job_id), consistent_read=True).values
        return stored


def id_of(job_id: str) -> str:
    """Return the id of the item that has a job's parameters."""
    return f"{_PREFIX}{job_id}"


def size_of(values: dict[str, Any]) -> int:
    """Return how many bytes parameters take when they are stored."""
    return len(as_text(values).encode())
