"""What we know of each GPU instance beyond what EC2 tells."""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.config import config
from chalicelib.models.table import Table

# Longer than the keeper's period: what was not seen for so long may have been off meanwhile.
_GAP_SECONDS = 200


class InstanceRecord(Table):
    """Since when an instance was seen to have nothing to do; times in seconds since the epoch."""

    class Meta:
        table_name = config.fleet_table

    id = UnicodeAttribute(hash_key=True)
    idle_since = NumberAttribute(null=True)
    seen_at = NumberAttribute(default=0)

    @classmethod
    def note(cls, instance_id: str, *, is_idle: bool, now: float) -> float:
        """Note what an instance does now; return since when it was seen idle without a break."""
        record = next(cls.query(instance_id, consistent_read=True), cls(instance_id))
        if not is_idle or record.idle_since is None or now - record.seen_at > _GAP_SECONDS:
            record.idle_since = now
        record.seen_at = now
        record.save()
        return record.idle_since
