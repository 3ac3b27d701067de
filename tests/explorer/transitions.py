"""What is true of each write to a job or to an instance's record, whatever condition it has."""

from typing import Any

from chalicelib.config import config
from chalicelib.days import day_start
from chalicelib.models.jobs.status import CANCELED, OPEN
from chalicelib.models.keys.allowance import MEGA
from chalicelib.models.usage import KINDS
from tests.explorer.wire import LATE_COPY
from tests.faults.world import World
from tests.virtual.dynamodb import ask, key_names

_CALL_SECONDS = 10  # for which the message that calls a follower counts
_ON = ("pending", "running")

Item = dict[str, Any]
_NOTHING: Item = {}


class Transitions:
    """Compares each item that is written with what it was before; `wrong` says what was wrong.

    A lease belongs to the function that has written it, with all of its threads.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._before: dict[tuple[str, str], Item] = {}
        self._owners: dict[str, str] = {}  # names of functions, by lease
        self._begun_at = world.scheduler.now
        self.wrong: list[str] = []

    def after_write(self, operation: str, parameters: dict[str, Any]) -> None:
        """Check what a call has written."""
        items = parameters.get("TransactItems")
        for write in [each for item in items for each in item.values()] if items else [parameters]:
            if write["TableName"] in (config.jobs_table, config.fleet_table):
                self._check(write)

    def _check(self, write: dict[str, Any]) -> None:
        table = write["TableName"]
        key = write.get("Key") or {name: write["Item"][name] for name in key_names(table)}
        name = key["id"]["S"]
        found = ask("GetItem", {"TableName": table, "Key": key})
        new = {each: _plain(value) for each, value in found.get("Item", {}).items()}
        old = self._before.get((table, name), _NOTHING)
        self._before[table, name] = new
        if table == config.jobs_table and "status" in new:
            self._check_job(name, old, new)
        elif table == config.fleet_table:
            self._check_record(name, old, new)
            self._check_once(name, old, {each for each in new if _sets(write, each)})
        self._check_usage(name, new)
        self._check_work(name, new)
        self._check_virtual_time(name, old, new)

    @property
    def _now(self) -> float:
        return self._world.scheduler.now

    @property
    def _function(self) -> str:
        running = self._world.scheduler.running
        return running.group.main.name.removeprefix(LATE_COPY) if running else ""

    @property
    def _kind(self) -> str:
        """What the current function does, without its number."""
        return " ".join(self._function.split()[1:2])

    def _check_job(self, name: str, old: Item, new: Item) -> None:
        had, has = old.get("lease"), new.get("lease")
        if has and has != had:
            self._owners[has] = self._function
            if old:
                self._expect(self._is_free(old), f"{name} was claimed from {had}: {old}")
        elif old and old["status"] in OPEN:
            self._check_change(name, old, new)
        self._expect(
            old.get("gpu_seconds", 0) <= new["gpu_seconds"], f"{name} is booked with less: {new}"
        )
        self._check_turn(name, new)
        attempts = len(old.get("attempts", ())), len(new.get("attempts", ()))
        self._expect(attempts[1] - attempts[0] in (0, 1), f"{name} lost attempts: {old} {new}")

    def _check_turn(self, name: str, job: Item) -> None:
        """Check that a job in the queue has a turn of its own among its owner's jobs."""
        if "queue" not in job:
            return
        turn = job["sort_key"].partition("#")[0]
        same = [
            other
            for (table, other), each in self._before.items()
            if table == config.jobs_table and other != name and each.get("owner") == job["owner"]
            if "queue" in each and each["sort_key"].partition("#")[0] == turn
        ]
        self._expect(int(turn) == 0 or not same, f"{name} has the turn of {same}")

    def _is_free(self, job: Item) -> bool:
        """Return whether a job may be claimed."""
        if job.get("lease"):
            return bool(job["due_at"] <= self._now)
        return "queue" in job or job["due_at"] <= self._now

    def _check_change(self, name: str, old: Item, new: Item) -> None:
        """Check that a job is changed by the driver that has it, if it has one."""
        changed = {each for each in old.keys() | new.keys() if old.get(each) != new.get(each)}
        had = old.get("lease")
        if (
            not self._function
            or new["status"] == CANCELED
            or self._owners.get(had) == self._function
        ):
            return
        is_undriven = had is None or old["due_at"] <= self._now
        has_waited = new["status"] not in OPEN and old["waits_until"] <= self._now
        has_waited &= "slot_at" not in old
        is_moved = changed <= {"sort_key"}
        is_stopped = self._kind == "stop" and "queue" in new and "lease" not in new
        self._expect(
            is_stopped or (is_undriven and "queue" in old and (has_waited or is_moved)),
            f"{name} was changed by {self._function}: {changed}",
        )

    def _check_record(self, name: str, old: Item, new: Item) -> None:
        self._check_follower(name, old, new)
        self._check_slots(name, old, new)
        self._check_starts(name, old, new)
        if "on_since" in old and "on_since" not in new and not name.startswith(":"):
            states = [each.state for each in self._world.hosts if each.id == name]
            self._expect(not {*states} & {*_ON}, f"{name} is noted as off, and is {states}")

    def _check_follower(self, name: str, old: Item, new: Item) -> None:
        had, has = old.get("follower"), new.get("follower")
        is_own = self._owners.get(str(had)) == self._function
        if has and has != had:
            self._owners[has] = self._function
            is_kept = old.get("follower_until", 0) > self._now and "follower_leaves" not in old
            self._expect(not (had and is_kept), f"{name} was taken from its follower")
        elif had:
            names = ("follower", "follower_until", "follower_leaves")
            is_same = all(old.get(each) == new.get(each) for each in names)
            self._expect(is_same or is_own, f"{name} was changed by no follower of it: {old}")
        else:
            self._expect("follower_leaves" not in new, f"{name} is left by no follower: {new}")

    def _check_slots(self, name: str, old: Item, new: Item) -> None:
        taken = new.get("jobs", set()) - old.get("jobs", set())
        drains = "stop_requested_at" in old or old.get("draining_until", 0) > self._now
        ends_at = old.get("budget_ends_at")
        running = self._world.scheduler.running
        now = running.asked_at if running else self._now  # by the clock of the function
        is_spent = ends_at is not None and day_start(now) <= ends_at <= now
        self._expect(
            len(self._at_work(name, old)) < config.slots_per_gpu or not taken,
            f"{name} gave a slot to {taken} beside {old}",
        )
        spent = new.get("execution_total_seconds", 0) > old.get("execution_total_seconds", 0)
        self._expect(not spent or new.get("jobs") != old.get("jobs"), f"{name} counted twice")
        self._expect(not (taken and drains), f"{name} drains, and gave a slot to {taken}")
        self._expect(not (taken and is_spent), f"{name} has no budget, and gave a slot to {taken}")

    def _at_work(self, name: str, record: Item) -> list[str]:
        """Return the jobs with a slot with which their ComfyUI is not done."""
        hosts = [each for each in self._world.hosts if each.id == name]
        done = {run.job_id for host in hosts for run, _ in host.comfyui.history.values()}
        jobs = [
            self._before.get((config.jobs_table, each), _NOTHING) for each in record.get("jobs", ())
        ]
        return [
            each["id"] for each in jobs if each.get("status") in OPEN and each["id"] not in done
        ]

    def _check_once(self, name: str, old: Item, written: set[str]) -> None:
        """Check that what counts once is not written again."""
        was_called = old.get("called_at", 0) > self._now - _CALL_SECONDS
        self._expect(not (was_called and "called_at" in written), f"{name} was called twice")
        is_ready = "ready_at" in old and "ready_at" in written
        self._expect(not is_ready, f"{name} became ready twice")
        is_silent = "unreachable_since" in written and "ready_at" not in old
        self._expect(not is_silent, f"{name} is unreachable and was never ready")

    def _check_usage(self, name: str, new: Item) -> None:
        """Check that no second of an instance is booked twice."""
        if name.startswith("usage:"):
            booked = sum(new.get(f"{kind}_seconds", 0) for kind in KINDS)
            on = sum(each.on_seconds(self._now) for each in self._world.hosts)
            self._expect(
                booked <= on + 1, f"{booked} s are booked, and instances were on for {on} s"
            )

    def _check_work(self, name: str, new: Item) -> None:
        """Check that no owner has more than its limit."""
        if name.startswith("work:"):
            owner = name.split(":")[1]
            steps, limit = new["pixel_steps"] / MEGA, self._world.steps_of(owner)
            self._expect(steps <= limit, f"{owner} has {steps} megapixel-steps of {limit}")

    def _check_virtual_time(self, name: str, old: Item, new: Item) -> None:
        """Check that each request takes turns of its own, none of long ago."""
        if "virtual_time" not in new or self._kind == "cancel":
            return
        taken, before = new["virtual_time"], old.get("virtual_time", 0)
        is_own = taken > before and taken >= self._begun_at * 1000
        self._expect(is_own, f"{name} took the turn {taken} after {before}")

    def _check_starts(self, name: str, old: Item, new: Item) -> None:
        """Check that one function at a time has the right to start instances."""
        had, has = old.get("holder"), new.get("holder")
        changed = {each for each in old.keys() | new.keys() if old.get(each) != new.get(each)}
        if changed <= {"holder", "next_at"} and new.get("next_at", 0) > self._now + _CALL_SECONDS:
            is_held = old.get("held_until", 0) > self._now
            self._expect(not is_held, f"{name} was claimed or renewed under a hold: {old}")
        if changed <= {"held_until"}:
            return
        if has not in (had, None):
            self._owners[str(has)] = self._function
            self._expect(old.get("next_at", 0) <= self._now, f"{name} was claimed from {had}")
        elif "next_at" in changed:
            is_own = had is not None and self._owners.get(had) == self._function
            is_over = old.get("next_at", 0) <= self._now  # EC2 took a start back
            self._expect(is_own or is_over, f"{name} was changed by {self._function}")

    def _expect(self, is_right: object, message: str) -> None:
        if not is_right:
            self.wrong.append(message)


def _sets(write: dict[str, Any], attribute: str) -> bool:
    """Return whether a write sets an attribute."""
    set_part = write.get("UpdateExpression", "").partition("REMOVE")[0]
    names = write.get("ExpressionAttributeNames", {})
    return any(
        name in set_part.replace(",", " ").split() for name, of in names.items() if of == attribute
    )


def _plain(value: dict[str, Any]) -> Any:
    [(kind, content)] = value.items()
    if kind == "N":
        return float(content)
    return set(content) if kind == "SS" else content
