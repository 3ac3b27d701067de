"""Which of the first jobs of the queue suits a GPU: loading another checkpoint takes long."""

from collections.abc import Callable, Iterator, Sequence

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.queue import Waiting

_LOAD_SECONDS = 20.0  # about how long a load takes, and the longest that the head is passed over


class CheckpointOrder:
    """Orders the first jobs of the queue for one GPU; remembers how long the head waits for it.

    `loaded` returns the checkpoints that other GPUs have.
    """

    def __init__(self, loaded: Callable[[], set[str]]) -> None:
        self._loaded = loaded
        self._head = ""
        self._passed_since = 0.0

    def of(
        self, waiting: Sequence[Waiting], record: InstanceRecord, *, now: float
    ) -> Iterator[Waiting]:
        """Yield jobs in the order in which the GPU should take them.

        A job whose checkpoint the GPU has comes first, unless the head of the queue has been passed
        over for longer than a load takes. A GPU that has to load prefers what no other GPU has.
        """
        if not waiting:
            return
        if waiting[0].id != self._head:
            self._head, self._passed_since = waiting[0].id, now
        first = None
        if now - self._passed_since < _LOAD_SECONDS:
            first = self._suiting(waiting, record)
        if first:
            yield first
        yield from (each for each in waiting if each is not first)

    def _suiting(self, waiting: Sequence[Waiting], record: InstanceRecord) -> Waiting | None:
        if waiting[0].checkpoint == record.checkpoint:
            return None
        own = (each for each in waiting if each.checkpoint == record.checkpoint)
        if found := next(own, None):
            return found
        if len({each.checkpoint for each in waiting}) == 1:
            return None
        loaded = self._loaded()
        return next((each for each in waiting if each.checkpoint not in loaded), None)
