"""What we know of each GPU instance beyond what EC2 tells."""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.config import config
from chalicelib.models.table import Table

# Longer than the keeper's period: what was not seen for so long may have been off meanwhile.
_GAP_SECONDS = 200


class InstanceRecord(Table):
    """What the keeper saw an instance do, and since when; times in seconds since the epoch."""

    class Meta:
        table_name = config.fleet_table

    id = UnicodeAttribute(hash_key=True)
    doing = UnicodeAttribute(default="")
    since = NumberAttribute(default=0)
    seen_at = NumberAttribute(default=0)

    @classmethod
    def note(cls, instance_id: str, doing: str, *, now: float) -> float:
        """Note what an instance does now; return since when it was seen so without a break."""
        record = next(cls.query(instance_id, consistent_read=True), cls(instance_id))
        if record.doing != doing or now - record.seen_at > _GAP_SECONDS:
            record.doing, record.since = doing, now
        record.seen_at = now
        record.save()
        return record.since
