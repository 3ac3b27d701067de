"""The starting of GPU instances: one function at a time, and not again too soon."""

from uuid import uuid4

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.update import Action

from chalicelib.models.fleet.instance import OTHER, InstanceRecord
from chalicelib.models.table import Table

_FORGOTTEN_SECONDS = 600  # after the longest pause


class StartSeries(Table):
    """What became of the last tries to start an instance; times in seconds since the epoch.

    Nobody tries before `next_at`. `failed` tries came to nothing since one did, the last for the
    reason `why`. `holder` is the claim of the last one who tried.
    """

    class Meta:
        table_name = InstanceRecord.Meta.table_name

    beside = InstanceRecord

    id = UnicodeAttribute(hash_key=True, default=f"{OTHER}starts")
    next_at = NumberAttribute(default=0)
    failed = NumberAttribute(default=0)
    why = UnicodeAttribute(null=True)
    holder = UnicodeAttribute(null=True)

    @classmethod
    def read(cls, *, now: float) -> "StartSeries":
        """Return how the starts go; what was long ago tells nothing."""
        series = cls()
        series = next(cls.query(series.id, consistent_read=True), series)
        if now > series.next_at + _FORGOTTEN_SECONDS:
            series.failed, series.why = 0, None
        return series

    def claim(self, *, now: float, until: float) -> bool:
        """Be the only one who tries before `until`; tell whether that is so."""
        series = StartSeries
        is_free = series.next_at.does_not_exist() | (series.next_at <= now)
        holder, failed = uuid4().hex, int(self.failed)
        is_ours = series.holder == holder  # this very write, repeated as its answer was lost
        claimed = (series.next_at.set(until), series.holder.set(holder))
        if not self.update_if(is_free | is_ours, *claimed):
            self.refresh(consistent_read=True)
            return False
        self.failed = failed
        return True

    def put_off(self, why: str, *, until: float) -> None:
        """Note that EC2 refused, and when to ask it again."""
        series = StartSeries
        self._end([series.failed.set(self.failed + 1), series.why.set(why)], until)

    def succeed(self, *, until: float) -> None:
        """Note that an instance starts; EC2 tells so some seconds later."""
        self._end([StartSeries.failed.set(0), StartSeries.why.remove()], until)

    def pause(self, *, until: float) -> None:
        """Note that nothing was tried."""
        self._end([], until)

    def _end(self, actions: list[Action], until: float) -> None:
        """Write what became of a claim, unless it ran out and is another's."""
        series = StartSeries
        self.update_if(series.next_at == self.next_at, *actions, series.next_at.set(until))
