"""What the images cost."""

import re
from datetime import date
from typing import Any

from chalicelib import wiring
from chalicelib.api.job_resource import dollars
from chalicelib.api.routes import Routes, query
from chalicelib.errors import InvalidRequest
from chalicelib.models.api_key import ADMIN
from chalicelib.services.spending import Spending
from chalicelib.services.usage import DAY, GROUPINGS, Report

usage_routes = Routes(__name__)

_PARAMETERS = ("from", "to", "group_by")
_DATE = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}")


@usage_routes.get("/api/images/usage", scope=ADMIN)
def get_usage() -> dict[str, Any]:
    """Tell what the GPUs did on some days, and what that cost, by day, style or post."""
    asked = query(usage_routes.current_request)
    for name in asked:
        if name not in _PARAMETERS:
            raise InvalidRequest(f"parameters are: {', '.join(_PARAMETERS)}", field=name)
    group_by = asked.get("group_by", DAY)
    if group_by not in GROUPINGS:
        raise InvalidRequest(f"group_by must be one of: {', '.join(GROUPINGS)}", field="group_by")
    first, last = _date(asked, "from"), _date(asked, "to")
    return _resource(wiring.usage().report(first, last, group_by=group_by), group_by)


def _date(asked: dict[str, str], name: str) -> date | None:
    text = asked.get(name)
    if text is None:
        return None
    try:
        return date.fromisoformat(text if _DATE.fullmatch(text) else "")
    except ValueError:
        raise InvalidRequest(f"{name} must be a date like 2026-11-23", field=name) from None


def _resource(report: Report, group_by: str) -> dict[str, Any]:
    always_on = {"always_on_cost": dollars(report.always_on_cost)}
    return {
        "from": report.period.first.isoformat(),
        "to": report.period.last.isoformat(),
        "group_by": group_by,
        "total": {**_sums(report.total), **always_on},
        "groups": [{"key": key, **_sums(spending)} for key, spending in report.groups],
    }


def _sums(spending: Spending) -> dict[str, Any]:
    return {
        "images": spending.images,
        "gpu_seconds": {
            "booting": round(spending.booting_seconds, 3),
            "busy": round(spending.busy_seconds, 3),
            "idle": round(spending.idle_seconds, 3),
        },
        "cost": dollars(spending.cost),
        "cost_per_image": dollars(spending.cost_per_image),
    }
