"""Tries to start GPU instances: by one function at a time, with pauses between them."""

from uuid import uuid4

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.models.fleet.instance import OTHER, InstanceRecord
from chalicelib.models.table import Table, read_all, set_or_remove

_FORGOTTEN_SECONDS = 600  # after `next_at`, failures no longer count


class StartSeries(Table):
    """The last tries to start an instance; times are seconds since the epoch.

    No function tries before `next_at`. `failed` counts the failed tries since the last success;
    `why` is the reason of the newest. `holder` identifies the claim of a function that is trying.
    An administrator has stopped the GPUs: no function tries before `held_until`, and a claim cannot
    be renewed.
    """

    class Meta:
        table_name = InstanceRecord.Meta.table_name

    beside = InstanceRecord

    id = UnicodeAttribute(hash_key=True, default=f"{OTHER}starts")
    next_at = NumberAttribute(default=0)
    failed = NumberAttribute(default=0)
    why = UnicodeAttribute(null=True)
    holder = UnicodeAttribute(null=True)
    held_until = NumberAttribute(null=True)

    @classmethod
    def read(cls, *, now: float) -> "StartSeries":
        """Return the series."""
        series = cls()
        return next(cls.query(series.id, consistent_read=True), series).recent(now)

    @classmethod
    def read_with_records(cls, *, now: float) -> "tuple[StartSeries, list[InstanceRecord]]":
        """Return the series and the records of all instances, in one call."""
        series, records = cls(), list[InstanceRecord]()
        for each in read_all(_kind_of, InstanceRecord):
            if isinstance(each, StartSeries):
                series = each.recent(now)
            elif isinstance(each, InstanceRecord) and not each.id.startswith(OTHER):
                records.append(each)
        return series, records

    def recent(self, now: float) -> "StartSeries":
        """Return this without failures of long ago, which do not count."""
        if now > self.next_at + _FORGOTTEN_SECONDS:
            self.failed, self.why = 0, None
        return self

    def claim(self, *, now: float, until: float) -> bool:
        """Claim the right to try until `until`; return False if another has it, or under a hold."""
        series = StartSeries
        is_free = series.next_at.does_not_exist() | (series.next_at <= now)
        holder, failed = uuid4().hex, int(self.failed)
        is_ours = series.holder == holder  # this same write, repeated as its response was lost
        claimed = (series.next_at.set(until), series.holder.set(holder))
        if not self.update_if((is_free | is_ours) & _no_hold(now), *claimed):
            return False
        self.failed = failed
        return True

    def renew(self, *, now: float, until: float) -> bool:
        """Extend the claim; return False if another has made one since, or under a hold."""
        failed = self.failed  # the response has the stored one, which may be of long ago
        is_ours = StartSeries.holder == self.holder
        if not self.update_if(is_ours & _no_hold(now), StartSeries.next_at.set(until)):
            return False
        self.failed = failed
        return True

    def is_held(self, now: float) -> bool:
        """Return whether an administrator has stopped the GPUs."""
        return (self.held_until or 0) > now

    def hold(self, *, until: float | None) -> None:
        """Let no function start an instance before `until`; None ends a hold."""
        self.update([set_or_remove(StartSeries.held_until, until)])

    def take_back(self, why: str, *, now: float) -> None:
        """Note that EC2 did not carry out the last start, unless a function is trying to start."""
        series = StartSeries
        unchanged = (series.next_at == self.next_at) & (series.next_at <= now)
        failed = (series.failed.set(self.failed + 1), series.why.set(why))
        self.update_if(unchanged, *failed, series.next_at.set(now))

    def put_off(self, why: str, *, until: float) -> None:
        """Note that EC2 refused, and when to ask it again."""
        series = StartSeries
        self._end([series.failed.set(self.failed + 1), series.why.set(why)], until)

    def succeed(self, *, until: float) -> None:
        """Note that an instance starts; EC2 reports that some seconds later."""
        self._end([StartSeries.failed.set(0), StartSeries.why.remove()], until)

    def pause(self, *, until: float) -> None:
        """Note that no instance was started and EC2 refused none."""
        self._end([], until)

    def _end(self, actions: list[Action], until: float) -> None:
        """Write the result of a claim, unless it expired and another function has a new one."""
        series = StartSeries
        ended = (*actions, series.next_at.set(until), series.holder.remove())
        self.update_if(series.holder == self.holder, *ended)


def _no_hold(now: float) -> Condition:
    held_until = StartSeries.held_until
    ended: Condition = held_until.does_not_exist() | (held_until <= now)
    return ended


def _kind_of(item_id: str) -> type[Table]:
    return StartSeries if item_id == StartSeries().id else InstanceRecord
