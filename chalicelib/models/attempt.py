"""One try at a job, as the job records it."""

from typing import Any

from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute


class Attempt(MapAttribute[str, Any]):
    """One submission to ComfyUI, under an id that we chose and wrote down before."""

    id = UnicodeAttribute()
    instance_id = UnicodeAttribute()
    started_at = NumberAttribute()
    reason = UnicodeAttribute()
