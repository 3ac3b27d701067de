"""A GPU instance as an item of its table: what we know of it beyond what EC2 tells."""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.expressions.update import Action

from chalicelib.config import config
from chalicelib.models.table import Table

_DAY_SECONDS = 86_400


class InstanceItem(Table):
    """An instance's state and since when, and what it serves; times in seconds since the epoch.

    `jobs` are those that have a seat on it: they run, or wait in its ComfyUI's own queue; it
    served one last at `served_at`, and had something else to do than to wait for work at
    `used_at`. No other gets a seat before `draining_until`, as the instance is about to stop.
    `suspect` is the attempt whose fate tells that its ComfyUI has to be started anew. It is on
    since `on_since`, has been ready since `ready_at`, and not answered since `silent_since`;
    no job gets a seat from `budget_ends_at` to the end of that day in UTC, as its time is not
    paid for. `failed_boots` came one after another, and after some it is left alone until
    `unhealthy_until`. `why` says for people what is wrong with it.
    """

    class Meta:
        table_name = config.fleet_table

    id = UnicodeAttribute(hash_key=True)
    state = UnicodeAttribute(default="")
    since = NumberAttribute(default=0)
    seen_at = NumberAttribute(default=0)
    used_at = NumberAttribute(null=True)
    why = UnicodeAttribute(null=True)
    jobs = UnicodeSetAttribute(null=True)
    served_at = NumberAttribute(null=True)
    checkpoint = UnicodeAttribute(null=True)
    suspect = UnicodeAttribute(null=True)
    suspected_at = NumberAttribute(null=True)
    run_seconds = NumberAttribute(null=True)
    boot_seconds = NumberAttribute(null=True)
    run_total_seconds = NumberAttribute(null=True)
    accounted_at = NumberAttribute(null=True)
    accounted_run_seconds = NumberAttribute(null=True)
    draining_until = NumberAttribute(null=True)
    budget_ends_at = NumberAttribute(null=True)
    on_since = NumberAttribute(null=True)
    ready_at = NumberAttribute(null=True)
    silent_since = NumberAttribute(null=True)
    failed_boots = NumberAttribute(default=0)
    unhealthy_until = NumberAttribute(null=True)

    @property
    def seated(self) -> set[str]:
        """The ids of the jobs that have a seat."""
        return set(self.jobs or ())

    def is_unpaid(self, now: float) -> bool:
        """Tell whether the budget of the day is used up, as far as the record says."""
        ends_at = self.budget_ends_at
        return ends_at is not None and now - now % _DAY_SECONDS <= ends_at <= now

    @property
    def fell_back(self) -> bool:
        """Whether it was started, and is found off without anybody having stopped it."""
        was_booting = self.on_since is not None and self.ready_at is None
        return was_booting and not self.why and self.draining_until is None

    def _on_from(self, now: float) -> list[Action]:
        record = InstanceItem
        past = (record.ready_at, record.why, record.checkpoint)
        gone = (*past, record.draining_until, record.silent_since)
        begun = [record.on_since.set(now), record.used_at.set(now)]
        return [*begun, *(each.remove() for each in gone)]
