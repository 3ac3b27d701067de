"""What is true of each write to a job or to an instance's record, whatever condition it has."""

from typing import Any

from chalicelib.config import config
from chalicelib.days import day_start
from chalicelib.models.jobs.status import CANCELED, OPEN
from tests.faults.world import World
from tests.virtual.dynamodb import ask, key_names

_EARLY_SECONDS = 1  # a job may be claimed this much before it is due
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

    @property
    def _now(self) -> float:
        return self._world.scheduler.now

    @property
    def _function(self) -> str:
        running = self._world.scheduler.running
        return running.group.main.name if running else ""

    def _check_job(self, name: str, old: Item, new: Item) -> None:
        had, has = old.get("lease"), new.get("lease")
        if has and has != had:
            self._owners[has] = self._function
            if old:
                self._expect(self._is_free(old), f"{name} was claimed from {had}: {old}")
        elif old and old["status"] in OPEN:
            self._check_change(name, old, new)
        attempts = len(old.get("attempts", ())), len(new.get("attempts", ()))
        self._expect(attempts[1] - attempts[0] in (0, 1), f"{name} lost attempts: {old} {new}")

    def _is_free(self, job: Item) -> bool:
        """Return whether a job may be claimed."""
        if job.get("lease"):
            return bool(job["due_at"] <= self._now)
        return "queue" in job or job["due_at"] <= self._now + _EARLY_SECONDS

    def _check_change(self, name: str, old: Item, new: Item) -> None:
        """Check that a job is changed by the driver that has it, if it has one."""
        changed = {each for each in old.keys() | new.keys() if old.get(each) != new.get(each)}
        had = old.get("lease")
        if not changed or new["status"] == CANCELED or self._owners.get(had) == self._function:
            return
        is_undriven = had is None or old["due_at"] <= self._now
        has_waited = new["status"] not in OPEN and old["waits_until"] <= self._now
        is_moved = changed <= {"sort_key"}
        self._expect(
            is_undriven and "queue" in old and (has_waited or is_moved),
            f"{name} was changed by {self._function}: {changed}",
        )

    def _check_record(self, name: str, old: Item, new: Item) -> None:
        self._check_follower(name, old, new)
        self._check_slots(name, old, new)
        self._check_starts(name, old, new)
        called = old.get("called_at", 0) > self._now - _CALL_SECONDS
        again = new.get("called_at", 0) not in (0, old.get("called_at"))
        self._expect(not (called and again), f"{name} was called twice")
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

    def _check_slots(self, name: str, old: Item, new: Item) -> None:
        taken = new.get("jobs", set()) - old.get("jobs", set())
        drains = old.get("draining_until", 0) > self._now
        ends_at = old.get("budget_ends_at")
        is_spent = ends_at is not None and day_start(self._now) <= ends_at <= self._now
        self._expect(not (taken and drains), f"{name} drains, and gave a slot to {taken}")
        self._expect(not (taken and is_spent), f"{name} has no budget, and gave a slot to {taken}")

    def _check_starts(self, name: str, old: Item, new: Item) -> None:
        """Check that one function at a time has the right to start instances."""
        had, has = old.get("holder"), new.get("holder")
        if has != had:
            self._owners[str(has)] = self._function
            self._expect(old.get("next_at", 0) <= self._now, f"{name} was claimed from {had}")
        elif had and old != new:
            is_own = self._owners.get(had) == self._function
            is_over = old.get("next_at", 0) <= self._now  # EC2 took a start back
            self._expect(is_own or is_over, f"{name} was changed by {self._function}")

    def _expect(self, is_right: object, message: str) -> None:
        if not is_right:
            self.wrong.append(message)


def _plain(value: dict[str, Any]) -> Any:
    [(kind, content)] = value.items()
    if kind == "N":
        return float(content)
    return set(content) if kind == "SS" else content
