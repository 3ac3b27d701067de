"""The check of what is stored for a job that has succeeded."""

import json
from typing import Any

Item = dict[str, dict[str, Any]]


def check_stored(item: Item, parameters_item: Item, objects: dict[str, bytes]) -> None:
    """Raise AssertionError if a succeeded job lacks its image or its provenance."""
    job_id = item["id"]["S"]
    image = objects.get(f"images/{job_id}/0.png", b"")
    provenance = json.loads(objects.get(f"images/{job_id}/0.json", b"{}"))
    assert provenance.get("job_id") == job_id, f"{job_id} succeeded without its provenance"
    attempts = [each["M"]["id"]["S"] for each in item["attempts"]["L"]]
    is_its_own = any(image.startswith(each.encode()) for each in attempts)
    assert is_its_own, f"{job_id} succeeded without its image"
    assert provenance["attempt_id"] in attempts, f"{provenance['attempt_id']} is none of {attempts}"
    parameters = json.loads(parameters_item["values"]["S"])
    assert provenance["parameters"] == parameters, (
        f"the provenance of {job_id} has other parameters"
    )
