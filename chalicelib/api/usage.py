"""`GET /api/images/usage`: what the GPUs did and what it cost."""

import re
from datetime import date
from typing import Annotated, Literal

from chalice import Response
from msgspec import Meta, structs

from chalicelib.api.job_resource import dollars
from chalicelib.api.operation import Answer, Operation, Parameter
from chalicelib.api.paging import CURSOR, LIMIT, NEXT, Page, fit, next_link, requested
from chalicelib.api.routes import Routes, query
from chalicelib.bootstrap import services
from chalicelib.errors import InvalidRequest
from chalicelib.models.keys.api_key import ADMIN
from chalicelib.schemas.answers.usage import GpuSeconds, Group, Sums, Total, Usage
from chalicelib.services.billing.report import DAY, GROUPINGS, Report, Spending

usage_routes = Routes(__name__)

_FILTERS = ("from", "to", "group_by")
_PARAMETERS = (*_FILTERS, "limit", "cursor")
_DIGITS = 9
_DATE = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}")


_Day = Annotated[
    str,
    Meta(pattern=r"^2[0-9]{3}-[0-9]{2}-[0-9]{2}\Z", extra_json_schema={"format": "date"}),
]


@usage_routes.get(
    "/api/images/usage",
    Operation(
        "getUsage",
        "Usage",
        (Answer(200, Usage, "The report.", (NEXT,)),),
        ADMIN,
        parameters=(
            Parameter("from", _Day, "The first day, 30 days before the last if left out."),
            Parameter("to", _Day, "The last day, today if left out."),
            Parameter("group_by", Literal["day", "style", "post"], "What the groups are of."),
            LIMIT,
            CURSOR,
        ),
        errors=(InvalidRequest,),
    ),
)
def get_usage() -> Response:
    """Read what images cost.

    Returns images, GPU seconds and costs of a period of up to 366 days of UTC, by day, style or
    post.
    """
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
    groups = (_group(key, spending) for key, spending in report.groups[begin:])
    shown, are_more = fit(groups, page.limit)
    resource = _resource(report, group_by, shown)
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


def _resource(report: Report, group_by: str, groups: list[Group]) -> Usage:
    total = _sums(report.total)
    return Usage(
        first=report.period.first.isoformat(),
        last=report.period.last.isoformat(),
        group_by=group_by,
        total=Total(**structs.asdict(total), always_on_cost=dollars(report.always_on_cost)),
        groups=groups,
    )


def _group(key: str | int | None, spending: Spending) -> Group:
    return Group(key=key, **structs.asdict(_sums(spending)))


def _sums(spending: Spending) -> Sums:
    seconds = GpuSeconds(
        booting=round(spending.booting_seconds, 3),
        busy=round(spending.busy_seconds, 3),
        idle=round(spending.idle_seconds, 3),
    )
    return Sums(
        images=spending.images,
        gpu_seconds=seconds,
        cost=dollars(spending.cost),
        cost_per_image=dollars(spending.cost_per_image),
    )
