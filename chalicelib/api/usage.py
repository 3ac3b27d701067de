"""`GET /api/images/usage`: what the GPUs did and what it cost."""

import re
from datetime import date
from typing import Any

from chalice import Response

from chalicelib.api.job_resource import dollars
from chalicelib.api.paging import Page, fit, next_link, requested
from chalicelib.api.routes import Routes, query
from chalicelib.bootstrap import services
from chalicelib.errors import InvalidRequest
from chalicelib.models.keys.api_key import ADMIN
from chalicelib.services.billing.report import DAY, GROUPINGS, Report, Spending

usage_routes = Routes(__name__)

_FILTERS = ("from", "to", "group_by")
_PARAMETERS = (*_FILTERS, "limit", "cursor")
_DIGITS = 9
_DATE = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}")


@usage_routes.get("/api/images/usage", scope=ADMIN)
def get_usage() -> Response:
    """Return images, GPU seconds and costs of a period, by day, style or post."""
    request = usage_routes.current_request
    asked = query(request)
    for name in asked:
        if name not in _PARAMETERS:
            raise InvalidRequest(f"the only parameters are: {', '.join(_PARAMETERS)}", field=name)
    group_by = asked.get("group_by", DAY)
    if group_by not in GROUPINGS:
        raise InvalidRequest(f"group_by must be one of: {', '.join(GROUPINGS)}", field="group_by")
    first, last = _date(asked, "from"), _date(asked, "to")
    page = requested(request)
    begin = _offset(page)
    report = services().usage.report(first, last, group_by=group_by)
    groups = ({"key": key, **_sums(spending)} for key, spending in report.groups[begin:])
    shown, are_more = fit(groups, page.limit)
    resource = {**_resource(report, group_by), "groups": shown}
    if not are_more:
        return Response(resource)
    return Response(resource, {"Link": next_link(request, str(begin + len(shown)), _FILTERS)})


def _offset(page: Page) -> int:
    """Return how many groups the earlier pages had, which is the cursor's position."""
    if page.after is None:
        return 0
    if not (page.after.isdigit() and len(page.after) <= _DIGITS):
        raise InvalidRequest("cursor is not a cursor of this list", field="cursor")
    return int(page.after)


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
