"""`/api/images/schedules`: generation at times that repeat."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice

from chalice import Response
from chalice.app import Request

from chalicelib import bootstrap, logs
from chalicelib.api.identity import identity
from chalicelib.api.operation import Answer, Header, Operation, links
from chalicelib.api.paging import CURSOR, LIMIT, NEXT, Page, limit_up_to, requested, respond
from chalicelib.api.preferences import IDEMPOTENCY_KEY, fingerprint, idempotency_key
from chalicelib.api.routes import Headers, Routes, url_of
from chalicelib.api.schedule_resource import LAST_RUNS, run_resource, schedule_resource
from chalicelib.bootstrap import services
from chalicelib.errors import (
    BudgetExhausted,
    ComfyUIUnavailable,
    Conflict,
    IdempotencyConflict,
    InvalidRequest,
    NotFound,
)
from chalicelib.models.keys.api_key import GENERATE
from chalicelib.models.schedules import listing
from chalicelib.models.schedules.run import Run, key_of
from chalicelib.models.schedules.schedule import Schedule, missing
from chalicelib.schemas.answers.fields import Success
from chalicelib.schemas.answers.schedules import Run as RunResource
from chalicelib.schemas.answers.schedules import Schedule as ScheduleResource
from chalicelib.schemas.schedules import PauseRequest, RunRequest, ScheduleRequest
from chalicelib.services.schedules.making import Repeat
from chalicelib.services.schedules.schedules import Author

schedule_routes = Routes(__name__, before=bootstrap.seed_catalogs)

_SCHEDULES = "/api/images/schedules"
_ONE = f"{_SCHEDULES}/{{schedule_id}}"

_DEFAULT_LIMIT, _LONGEST_LIMIT = 20, 100
_DEFAULT_RUNS = 50
_AT_ONCE = 10
_LATEST = "~"  # sorts after all times
_ID_LENGTH = 26  # of a ULID


_TAG = "Schedules"
_EXAMPLES = {
    "each working day": {
        "name": "Morning card",
        "expression": "cron(0 7 ? * MON-FRI *)",
        "timezone": "Europe/Berlin",
        "prompts": ["a card for {weekday}", "a quiet harbor on {date}"],
        "request": {"width": 768, "height": 512, "seed": 42},
    },
    "every six hours": {
        "name": "Sky",
        "expression": "rate(6 hours)",
        "request": {"prompt": "the sky at {time}"},
    },
}
_FOLLOW = ("getSchedule", "pauseSchedule", "resumeSchedule", "listRuns", "deleteSchedule")
_RUN_LINKS = links("job_id", "/job_ids/0", "getJob", "cancelJob")
_LINKS = links("schedule_id", "/id", *_FOLLOW)
_SCHEDULE = Answer(200, ScheduleResource, "The schedule.")
_CREATED = Answer(
    201, ScheduleResource, "The new schedule.", (Header("Location", "Its URL."),), _LINKS
)


@schedule_routes.post(
    _SCHEDULES,
    Operation(
        "createSchedule",
        _TAG,
        (_CREATED,),
        GENERATE,
        body=ScheduleRequest,
        parameters=(IDEMPOTENCY_KEY,),
        errors=(Conflict, IdempotencyConflict, NotFound),
        examples=_EXAMPLES,
    ),
)
def create_schedule(body: ScheduleRequest) -> Response:
    """Create a schedule.

    Its runs are made under the key of this request.
    """
    request = schedule_routes.current_request
    schedule = services().schedules.create(body, _author(request), _repeat(request, body))
    logs.about(schedule_id=schedule.id)
    where: Headers = {"Location": url_of(request, f"{_SCHEDULES}/{schedule.id}")}
    return Response(_resource(schedule), where, 201)


@schedule_routes.get(
    _SCHEDULES,
    Operation(
        "listSchedules",
        _TAG,
        (Answer(200, list[ScheduleResource], "A page of the schedules.", (NEXT,)),),
        parameters=(limit_up_to(_LONGEST_LIMIT), CURSOR),
        errors=(InvalidRequest,),
    ),
)
def list_schedules() -> Response:
    """List schedules.

    The newest is first. A page has 20 schedules unless `limit` says otherwise.
    """
    request = schedule_routes.current_request
    asked = requested(request, longest=_LONGEST_LIMIT)
    limit = asked.limit or _DEFAULT_LIMIT
    ids = listing.newest(limit + 1, owner=_sees(), before=asked.after)
    return respond(request, _shown(ids), Page(limit, asked.after), lambda each: each.id)


@schedule_routes.get(_ONE, Operation("getSchedule", _TAG, (_SCHEDULE,)))
def get_schedule(schedule_id: str) -> ScheduleResource:
    """Read a schedule, with its next five and its last ten runs."""
    return _resource(Schedule.find(_valid(schedule_id), owner=_sees()))


@schedule_routes.put(
    _ONE,
    Operation(
        "replaceSchedule",
        _TAG,
        (_SCHEDULE,),
        GENERATE,
        body=ScheduleRequest,
        examples=_EXAMPLES,
    ),
)
def replace_schedule(body: ScheduleRequest, schedule_id: str) -> ScheduleResource:
    """Replace all fields of a schedule.

    From now on its runs are made under the key of this request.
    """
    author = _author(schedule_routes.current_request)
    known = _valid(schedule_id)
    return _resource(services().schedules.replace(known, body, author, owner=_sees()))


@schedule_routes.delete(
    _ONE,
    Operation("deleteSchedule", _TAG, (Answer(200, Success, "It is deleted."),), GENERATE),
)
def delete_schedule(schedule_id: str) -> Success:
    """Delete a schedule.

    Its jobs and images stay.
    """
    services().schedules.delete(_valid(schedule_id), owner=_sees())
    return Success()


@schedule_routes.post(
    f"{_ONE}/pause",
    Operation(
        "pauseSchedule",
        _TAG,
        (_SCHEDULE,),
        GENERATE,
        body=PauseRequest,
        errors=(Conflict,),
        examples={"with a note": {"note": "holidays"}},
    ),
)
def pause_schedule(body: PauseRequest, schedule_id: str) -> ScheduleResource:
    """Pause a schedule.

    Makes no runs until it is resumed.
    """
    known = _valid(schedule_id)
    return _resource(services().schedules.pause(known, body.note, owner=_sees()))


@schedule_routes.post(
    f"{_ONE}/resume",
    Operation("resumeSchedule", _TAG, (_SCHEDULE,), GENERATE, errors=(Conflict,)),
)
def resume_schedule(schedule_id: str) -> ScheduleResource:
    """Resume a schedule.

    Makes runs again, from the next time on.
    """
    return _resource(services().schedules.resume(_valid(schedule_id), owner=_sees()))


@schedule_routes.post(
    f"{_ONE}/run",
    Operation(
        "runSchedule",
        _TAG,
        (Answer(201, RunResource, "The run.", links=_RUN_LINKS),),
        GENERATE,
        body=RunRequest,
        parameters=(IDEMPOTENCY_KEY,),
        errors=(Conflict, IdempotencyConflict, BudgetExhausted, ComfyUIUnavailable),
        examples={"now": {}},
    ),
)
def run_schedule(body: RunRequest, schedule_id: str) -> RunResource:
    """Make a run now.

    With `scheduled_at` it makes up a run that was missed.
    """
    repeat = _repeat(schedule_routes.current_request, body)
    at = None if body.scheduled_at is None else body.scheduled_at.timestamp()
    known = _valid(schedule_id)
    run = services().run_requests.make(known, at, owner=_sees(), repeat=repeat)
    logs.about(schedule_id=known, job_ids=list(run.job_ids))
    return run_resource(run)


@schedule_routes.get(
    f"{_ONE}/runs",
    Operation(
        "listRuns",
        _TAG,
        (Answer(200, list[RunResource], "A page of the runs.", (NEXT,)),),
        parameters=(LIMIT, CURSOR),
        errors=(InvalidRequest,),
    ),
)
def list_runs(schedule_id: str) -> Response:
    """List the runs of a schedule.

    Those of the newest times are first. A page has 50 runs unless `limit` says otherwise.
    """
    request = schedule_routes.current_request
    known, asked = _valid(schedule_id), requested(request)
    Schedule.find(known, owner=_sees())
    limit = asked.limit or _DEFAULT_RUNS
    before = _LATEST if asked.after is None else _run_key(asked.after)
    runs = Run.newest(known, limit + 1, before=before)
    page = Page(limit, asked.after)
    return respond(request, (run_resource(run) for run in runs), page, _run_position)


def _author(request: Request) -> Author:
    caller = identity(request)
    return Author(caller.key_id, caller.owner, caller.allowance)


def _repeat(request: Request, body: object) -> Repeat:
    return Repeat(idempotency_key(request), fingerprint(request, body))


def _shown(ids: Iterator[str]) -> Iterator[ScheduleResource]:
    """Yield schedules; several are read at a time."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        while some := list(islice(ids, _AT_ONCE)):
            yield from filter(None, pool.map(_if_there, some))


def _if_there(schedule_id: str) -> ScheduleResource | None:
    try:
        return _resource(Schedule.find(schedule_id))
    except NotFound:  # deleted since, as the index lags behind the table
        return None


def _resource(schedule: Schedule) -> ScheduleResource:
    return schedule_resource(schedule, list(Run.newest(schedule.id, LAST_RUNS)))


def _valid(schedule_id: str) -> str:
    # The table has other items, too; only a schedule's id is all letters and digits.
    if not (schedule_id.isascii() and schedule_id.isalnum() and len(schedule_id) == _ID_LENGTH):
        raise missing(schedule_id)
    return schedule_id.upper()


def _sees() -> str | None:
    # Another owner's schedule is 404: a 403 would reveal that it exists.
    return identity(schedule_routes.current_request).sees


def _run_position(run: RunResource) -> str:
    """Return a run's key as text that a cursor may hold: letters and digits."""
    return "".join(each for each in run.scheduled_at if each.isalnum())


def _run_key(position: str) -> str:
    """Return the key of a run from its position; raise InvalidRequest."""
    digits, is_manual = position.removesuffix("Z"), len(position) > len("20270101T000000Z")
    try:
        parts = "%Y%m%dT%H%M%S%f" if is_manual else "%Y%m%dT%H%M%S"
        at = datetime.strptime(digits, parts).replace(tzinfo=UTC)
    except ValueError:
        raise InvalidRequest("cursor is not a cursor of this list", field="cursor") from None
    return key_of(at.timestamp(), is_manual=is_manual)
