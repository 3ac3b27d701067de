"""One try at a job, as the job records it."""

from typing import Any

from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute


class Attempt(MapAttribute[str, Any]):
    """One submission to ComfyUI, under an id that we chose and wrote down before.

    `run_seconds` is how long it had a GPU, if ComfyUI told; `cost` is in dollars, if known.
    """

    id = UnicodeAttribute()
    instance_id = UnicodeAttribute()
    instance_type = UnicodeAttribute(null=True)
    started_at = NumberAttribute()
    reason = UnicodeAttribute()
    run_seconds = NumberAttribute(null=True)
    cost = NumberAttribute(null=True)
