"""Why a deployment has no GPU instance yet."""

from pynamodb.attributes import UnicodeAttribute

from chalicelib.models.fleet.instance import OTHER, InstanceRecord
from chalicelib.models.table import Table


class Creation(Table):
    """What `make deploy` notes before it launches the first instance, and when that failed.

    infra/deploy/fleet.py writes and deletes it. While it exists, jobs are accepted and wait.
    """

    class Meta:
        table_name = InstanceRecord.Meta.table_name

    beside = InstanceRecord

    id = UnicodeAttribute(hash_key=True, default=f"{OTHER}creation")
    reason = UnicodeAttribute()

    @classmethod
    def why_no_instance(cls) -> str | None:
        """Return why there is no instance; None if `make deploy` was not to launch any."""
        noted = next(cls.query(cls().id), None)
        return f"there is no GPU instance yet: {noted.reason}" if noted else None
