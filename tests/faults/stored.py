"""What is in the bucket of a job that has succeeded."""

import json
from typing import Any

Item = dict[str, dict[str, Any]]


def check_stored(item: Item, asked: Item, objects: dict[str, bytes]) -> None:
    """Raise AssertionError if a job has succeeded without its image and how that was made."""
    job_id = item["id"]["S"]
    image = objects.get(f"images/{job_id}/0.png", b"")
    assert image.startswith(job_id.encode()), f"{job_id} succeeded without its image"
    told = json.loads(objects.get(f"images/{job_id}/0.json", b"{}"))
    assert told.get("job_id") == job_id, f"{job_id} succeeded without its provenance"
    attempts = [each["M"]["id"]["S"] for each in item["attempts"]["L"]]
    assert told["attempt_id"] in attempts, f"{told['attempt_id']} is none of {attempts}"
    parameters = json.loads(asked["values"]["S"])
    assert told["parameters"] == parameters, f"the provenance of {job_id} is another's"
