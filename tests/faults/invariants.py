"""What is true at every moment, and what is true when the system has come to rest."""

import json
from collections import Counter
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.exceptions import PynamoDBConnectionError, TransactWriteError

from chalicelib.config import config
from chalicelib.errors import (
    FleetUnreachable,
    JobFinished,
    Overloaded,
    StartFailed,
    StopFailed,
    TooManyRequests,
    Unanswered,
)
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import GPU_STOPPED
from chalicelib.models.jobs.indexes import QUEUE
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.status import OPEN, SUCCEEDED
from tests.faults.aws import Host
from tests.faults.comfyui import Run
from tests.faults.dynamodb import Wire
from tests.faults.scheduler import Died, Process
from tests.faults.stored import check_stored
from tests.faults.world import World
from tests.models.allowances import counted as counted_of
from tests.virtual.dynamodb import ask

_INJECTED = (
    ClientError
    | FleetUnreachable
    | Overloaded
    | PynamoDBConnectionError
    | StopFailed
    | TransactWriteError
    | Unanswered
)

# The errors of jobs that run out of time, and the time that a hung execution and two boots take.
_LATE_CODES = ("deadline_exceeded", "expired", "comfyui_unreachable", "internal_error")
_ENOUGH_SECONDS = 800

# The idle limit, two periods of the reconciler, one of the queue, and the time of an EC2 stop.
_IDLE_SECONDS = config.idle_stop_seconds + 3 * 60 + 30
_STALE_SECONDS = 60  # for which a stale answer of EC2 may still have an effect

# With these an instance is about to stop.
_STOPS = {"unhealthy_attempt", "draining_until", "stop_requested_at"}

Item = dict[str, dict[str, Any]]
_NONE: Item = {}


class Invariants:
    """Checks over the contents of the tables, the bucket and the hosts."""

    def __init__(self, world: World, wire: Wire) -> None:
        self._world = world
        self._wire = wire
        self._ended: dict[str, Item] = {}
        self._open_before: dict[str, set[str]] = {}
        self._slots_before: dict[str, set[tuple[str, str]]] = {}
        self._last: dict[str, Item] = {}  # the items when they were checked last
        self._deadlines: dict[str, float] = {}
        self._done_at: float | None = None
        world.on_start, world.on_clean_end = self._note_open, self._check_clean
        world.ec2.on_start, world.ec2.on_stop = self._check_start, self._check_stop

    def check_always(self) -> None:
        """Raise AssertionError if something is wrong that must never happen."""
        before, self._last = self._last, {each["id"]["S"]: each for each in self._items()}
        changed = {key: each for key, each in self._last.items() if before.get(key, _NONE) != each}
        for item in changed.values():
            self._check_item(item)
        for holders in _slots_of_instances():
            # While images are stored, as many more jobs have a slot.
            assert len(holders) <= 2 * config.slots_per_gpu + 1, f"too many slots: {holders}"
        if changed.keys() - before.keys() or any("images" in each for each in changed.values()):
            self._check_keys()
            self._check_limits()
        self._check_errors()

    def job_ids(self) -> list[str]:
        return sorted(item["id"]["S"] for item in self._items() if "status" in item)

    def jobs(self) -> list[Job]:
        return list(Job.scan(Job.status.exists()))

    def check_at_rest(self) -> None:
        """Raise AssertionError if a job was lost, left unfinished or executed twice."""
        self.check_always()
        self.check_ended()
        self._check_counted()

    def check_ended(self) -> None:
        """Raise AssertionError if a job that has ended was lost, late or executed twice."""
        jobs = {job.id: job for job in self.jobs()}
        for _, answered in self._world.answers:
            assert set(answered) <= set(jobs), f"the answer has unknown jobs: {answered}"
        for job_id in self._deadlines:
            job = jobs[job_id]
            assert not job.error or job.error["code"] not in _LATE_CODES, (
                f"{job_id} had time enough, and ended late: {job.error}"
            )
        self._check_images(jobs)
        self._check_runs(jobs)

    def expect_ends(self) -> None:
        """Expect from now on, without faults, that jobs with time enough end in time."""
        rest_at = self._world.scheduler.now
        self._deadlines = {
            job.id: job.deadline_at
            for job in self.jobs()
            if job.is_open and job.deadline_at > rest_at + _ENOUGH_SECONDS
        }

    def unfinished(self) -> str | None:
        """Return what is not finished, or None."""
        if self._world.scheduler.processes:
            return "processes are live"
        if self._world.queue.messages:
            return f"messages are left: {self._world.queue.messages}"
        if left := [job.id for job in self.jobs() if job.is_open]:
            return f"jobs have not ended: {left}"
        if left := [each.id for each in Job.by_queue.query(QUEUE)]:
            return f"ended jobs are in the queue: {left}"
        if left := [each.slot_holders for each in InstanceRecord.scan() if each.slot_holders]:
            return f"ended jobs have slots: {left}"
        for host in self._world.hosts:
            if host.comfyui.running or host.comfyui.pending:
                return (
                    f"{host.id} executes for no job: {host.comfyui.running} {host.comfyui.pending}"
                )
            if host.comfyui.is_stuck:
                return f"{host.id} is stuck, and is on"
        self._done_at = self._done_at or self._world.scheduler.now
        if left := [host.id for host in self._world.hosts if host.state != "stopped"]:
            late = self._world.scheduler.now - self._done_at
            assert late < _IDLE_SECONDS, f"{left} are on without work for {late} s"
            return f"instances are on: {left}"
        return None

    def _check_start(self, host: Host) -> None:
        """Check that no other instance serves, or is about to, with a fleet limit of one."""
        others = [each for each in self._world.hosts if each is not host]
        coming = [
            each
            for each in others
            if (each.state == "pending" or (each.state == "running" and each.comfyui.is_up))
            and not (each.comfyui.is_stuck or self._item(each).keys() & _STOPS)
        ]
        now = self._world.scheduler.now
        if self._world.fleet_max == 1 and now - self._world.ec2.stale_at > _STALE_SECONDS:
            assert not coming, f"{host.id} was started although others come: {coming}"

    def _check_stop(self, host: Host) -> None:
        """Check that no instance that works is stopped with a job on it."""
        item = self._item(host)
        jobs = item.get("jobs", {}).get("SS", [])
        works = "ready_at" in item and "unhealthy_attempt" not in item
        assert not (jobs and works), f"{host.id} was stopped with jobs on it: {jobs}"

    def _item(self, host: Host) -> Item:
        key = {"id": {"S": host.id}}
        item: Item = self._wire._make_api_call(
            "GetItem", {"TableName": config.fleet_table, "Key": key}
        ).get("Item", {})
        return item

    def _open(self) -> set[str]:
        return {
            each["id"]["S"] for each in self._items() if each.get("status", {}).get("S") in OPEN
        }

    def _note_open(self, process: Process) -> None:
        self._open_before[process.name] = self._open()
        self._slots_before[process.name] = _slots()

    def _check_clean(self, process: Process) -> None:
        """Check that a process that ended a job without a fault left nothing of it.

        A canceled job may keep its slot, by which a follower finds it, and only with it work.
        """
        ended = self._open_before[process.name] - self._open()
        tried = {(each.instance_id, job.id) for job in self.jobs() for each in job.attempts}
        # A driver that lost its lease may have left a slot elsewhere, which the reconciler frees.
        others = self._slots_before[process.name] - tried
        holders = {job_id for _, job_id in _slots() - others}
        in_queue = {each.id for each in Job.by_queue.query(QUEUE)}
        at_work = {
            job_id
            for host in self._world.hosts
            for job_id in host.comfyui.queued()
            if not host.comfyui.is_stuck
        }
        if " cancel " in process.name:
            at_work, holders = at_work - holders, set()
        left = ended & (holders | in_queue | at_work)
        assert not left, f"{process.name} left {left}: {holders}, {in_queue}, {at_work}"

    def _items(self) -> list[Item]:
        items: list[Item] = ask("Scan", {"TableName": config.jobs_table})["Items"]
        return items

    def _check_item(self, item: Item) -> None:
        if "status" not in item:
            return
        status, job_id = item["status"]["S"], item["id"]["S"]
        has_ended = status not in OPEN
        assert has_ended == ("finished_at" in item), f"{job_id} is {status}: finished_at?"
        before, now = self._ended.get(job_id), _without_booking(item)
        assert before in (None, now), f"{job_id} changed after its end: {before} {item}"
        if has_ended:
            self._ended[job_id] = now
        if status == SUCCEEDED:
            check_stored(item, self._parameters_item(job_id), self._world.bucket.objects)

    def _parameters_item(self, job_id: str) -> Item:
        """Return the item with a job's parameters."""
        key = {"id": {"S": f"parameters:{job_id}"}}
        found: Item = self._wire._make_api_call(
            "GetItem", {"TableName": config.jobs_table, "Key": key}
        )["Item"]
        return found

    def _check_keys(self) -> None:
        used: dict[str, list[str]] = {}
        for key, answered in self._world.answers:
            if key:
                assert used.setdefault(key, answered) == answered, f"{key} made two sets of jobs"
        made = Counter(
            json.loads(item["values"]["S"])["prompt"] for item in self._items() if "values" in item
        )
        for key in [prompt for prompt in made if prompt.startswith("key")]:
            assert made[key] == int(key[-1]), f"{key} made {made[key]} jobs"

    def _check_limits(self) -> None:
        """Check that no owner has more images than its limit, and that each is counted."""
        made = Counter(item["owner"]["S"] for item in self._items() if "owner" in item)
        for owner, count in made.items():
            counted = counted_of(owner, self._world.scheduler.now)
            assert count <= counted <= self._world.limit_of(owner), (
                f"{owner}: {count} made, {counted} counted"
            )

    def _check_counted(self) -> None:
        """Check that an owner is counted for its images alone, if none of its calls has failed."""
        made = Counter(item["owner"]["S"] for item in self._items() if "owner" in item)
        for owner, count in made.items():
            if self._world.has_asked(owner) and not self._world.had_trouble(owner):
                counted = counted_of(owner, self._world.scheduler.now)
                assert counted == count, f"{owner}: {count} made, {counted} counted"

    def _check_errors(self) -> None:
        for name, error, had_fault in self._world.errors:
            if not self._is_expected(name, error, had_fault=had_fault):
                raise AssertionError(f"{name} raised {error!r}") from error

    def _is_expected(self, name: str, error: BaseException, *, had_fault: bool) -> bool:
        """Return whether a process may end with an error."""
        is_injected = isinstance(error, _INJECTED) and had_fault
        is_answer = isinstance(error, JobFinished) and "cancel" in name
        is_answer |= isinstance(error, StartFailed) and name.endswith(" start")
        is_answer |= isinstance(error, TooManyRequests) and name in self._world.too_many
        return is_injected or is_answer or isinstance(error, Died)

    def _check_images(self, jobs: dict[str, Job]) -> None:
        for key in self._world.bucket.objects:
            job_id = key.split("/")[1]
            assert jobs[job_id].status == SUCCEEDED, (
                f"{key} is stored, but its job is {jobs[job_id].status}"
            )

    def _check_runs(self, jobs: dict[str, Job]) -> None:
        runs = [run for host in self._world.hosts for run in host.comfyui.runs]
        stopped = {each for job in jobs.values() for each in _stopped(job)}
        explained = [run for run in runs if run.excuse or run.attempt_id in stopped]
        unexplained = Counter(run.job_id for run in runs if run not in explained)
        for job_id, count in unexplained.items():
            assert count == 1, f"{job_id} ran {count} times: {_named(runs, job_id)}"


def _stopped(job: Job) -> list[str]:
    """Return the ids of the attempts that an administrator has stopped."""
    reasons = [each.reason for each in job.attempts[1:]] + [job.end_reason]
    return [
        str(each.id)
        for each, reason in zip(job.attempts, reasons, strict=False)
        if reason == GPU_STOPPED
    ]


def _slots_of_instances() -> list[list[str]]:
    items = ask("Scan", {"TableName": config.fleet_table})["Items"]
    return [item["jobs"]["SS"] for item in items if "jobs" in item]


def _slots() -> set[tuple[str, str]]:
    return {(each.id, job_id) for each in InstanceRecord.scan() for job_id in each.slot_holders}


def _named(runs: list[Run], job_id: str) -> list[Run]:
    return [run for run in runs if run.job_id == job_id]


def _without_booking(item: Item) -> Item:
    """Leave out what an execution cost, which is stored once it is known."""
    booked = ("attempts", "gpu_seconds", "gpu_cost")
    return {name: value for name, value in item.items() if name not in booked}
