"""What a request to stop the GPUs is answered with, for people."""

from chalicelib.schemas.times import moment
from chalicelib.services.gpus.power import Stopped, Stopping


def message_of(stopped: Stopped, *, now: float) -> str:
    """Return a sentence about what a request to stop has done."""
    waiting = stopped.waiting_jobs
    parts = [_instances(stopped.instances), _counted(waiting, "job waits", "jobs wait")]
    if stopped.kept:
        stay = _counted(stopped.kept, "instance stays on", "instances stay on")
        parts.insert(1, f"{stay}, as the operator has set")
    if stopped.held_until:
        parts.append(f"nothing starts until {moment(stopped.held_until, now=now)}")
    else:
        parts.append("these jobs start it again" if waiting else "the next job starts it again")
    return "; ".join(parts)


def _instances(instances: list[Stopping]) -> str:
    if not instances:
        return "No instance has to be stopped"
    parts = [f"ComfyUI stops: {_counted(len(instances), 'instance', 'instances')}"]
    busy = [each for each in instances if each.running]
    later = len(instances) - len(busy) - sum(each.is_asked for each in instances)
    if busy:
        ended = "its job has" if sum(each.running for each in busy) == 1 else "the jobs have"
        parts.append(f"{len(busy)} when {ended} ended")
    if later:
        parts.append(f"{later} within two minutes")
    return ", ".join(parts)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
