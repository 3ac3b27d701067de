"""A ComfyUI process as docs/comfyui.md describes it: one worker, a queue, a history, a disk."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

RUN_SECONDS = 6.0
BOOT_SECONDS = 30.0
_INTERRUPT_SECONDS = 0.5  # sampling stops at the next step
_EVENT_SECONDS = 2.0  # between two progress messages

Message = tuple[str, dict[str, Any]]

ERRORS = {
    "node_failed": {"exception_type": "ValueError", "exception_message": "bad latent"},
    "out_of_memory": {"exception_type": "torch.OutOfMemoryError", "exception_message": ""},
    "gpu_failed": {"exception_type": "RuntimeError", "exception_message": "CUDA error: fault"},
}


@dataclass
class Run:
    """An execution; `excuse` is the reason if nobody can get its image."""

    attempt_id: str
    prefix: str
    began_at: float
    ends_at: float
    end: str = "running"
    excuse: str | None = None
    heard: int = 0

    @property
    def job_id(self) -> str:
        return _job_of(self.prefix)


@dataclass
class ComfyUI:
    """One server; `files` and `runs` survive a restart."""

    now: float = 0
    run_seconds: float = RUN_SECONDS
    is_up: bool = False
    is_stuck: bool = False  # it answers, and executes nothing
    is_broken: bool = False  # every execution fails from now on
    next_end: str = "success"
    pending: list[tuple[str, str]] = field(default_factory=list)
    running: Run | None = None
    history: dict[str, tuple[Run, dict[str, Any]]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    runs: list[Run] = field(default_factory=list)
    mailboxes: dict[str, list[Message]] = field(default_factory=dict)
    on_loss: Callable[[Run], None] = lambda run: None

    def stop(self) -> None:
        """Stop the process: only its files and `runs` remain."""
        lost = [run for run, _ in self.history.values()] + ([self.running] if self.running else [])
        for run in lost:
            self.on_loss(run)
        self.is_up = self.is_stuck = self.is_broken = False
        self.running, self.next_end = None, "success"
        for kept in (self.pending, self.history, self.mailboxes):
            kept.clear()  # type: ignore[attr-defined]

    def queue(self, attempt_id: str, prefix: str) -> None:
        self.pending.append((attempt_id, prefix))

    def queued(self) -> list[str]:
        """Return the jobs whose attempts are running or pending."""
        running = [self.running.prefix] if self.running else []
        return [_job_of(prefix) for prefix in running + [prefix for _, prefix in self.pending]]

    def delete(self, attempt_id: str) -> None:
        """Remove the first pending prompt of this id."""
        index = next((i for i, each in enumerate(self.pending) if each[0] == attempt_id), None)
        if index is not None:
            del self.pending[index]

    def interrupt(self, attempt_id: str) -> None:
        """Interrupt the execution, unless it begins only now: that clears the flag."""
        run = self.running
        if run and run.attempt_id == attempt_id and run.began_at < self.now:
            run.end, run.ends_at = "interrupted", min(run.ends_at, self.now + _INTERRUPT_SECONDS)

    def tick(self, now: float) -> None:
        """Execute prompts until this time."""
        self.now = now
        while self.is_up and not self.is_stuck:
            if self.running and self.running.ends_at > now:
                self._send_progress(self.running)
                return
            free_at = self.running.ends_at if self.running else now
            if self.running:
                self._end(self.running)
            if not self.pending:
                return
            self._begin(*self.pending.pop(0), free_at)

    def next_message_at(self) -> float:
        """Return when the next message may come; infinity if none will."""
        if self.running is None or self.is_stuck:
            return inf
        return min(self.running.ends_at, self.now + _EVENT_SECONDS)

    def _begin(self, attempt_id: str, prefix: str, now: float) -> None:
        self.running = Run(attempt_id, prefix, now, now + self.run_seconds)
        self.runs.append(self.running)
        self._send(attempt_id, "execution_start", {})

    def _send_progress(self, run: Run) -> None:
        step = int((self.now - run.began_at) / _EVENT_SECONDS)
        if step > run.heard:
            run.heard = step
            self._send(run.attempt_id, "progress", {"value": step, "max": 3, "node": "3"})

    def _end(self, run: Run) -> None:
        if run.end == "running":
            run.end = "gpu_failed" if self.is_broken else self.next_end
            self.next_end = "success"
        if run.end == "gpu_failed":
            self.is_broken = True
        if run.end in ("gpu_failed", "out_of_memory"):
            run.excuse = run.end
        self.running = None
        self.history[run.attempt_id] = run, self._entry(run)
        self._send(run.attempt_id, "executing", {"node": None})

    def _entry(self, run: Run) -> dict[str, Any]:
        stamps = {"timestamp": int(run.began_at * 1000)}, {"timestamp": int(run.ends_at * 1000)}
        if run.end == "success":
            name = f"{run.prefix.rpartition('/')[2]}_00001_.png"
            self.files.add(name)
            outputs = {"9": {"images": [{"filename": name, "subfolder": "", "type": "output"}]}}
            last: list[Any] = ["execution_success", stamps[1]]
        else:
            outputs = {}
            name = "execution_interrupted" if run.end == "interrupted" else "execution_error"
            last = [name, {**stamps[1], **ERRORS.get(run.end, {}), "node_type": "KSampler"}]
        status = "success" if run.end == "success" else "error"
        messages = [["execution_start", stamps[0]], last]
        return {"outputs": outputs, "status": {"status_str": status, "messages": messages}}

    def _send(self, attempt_id: str, name: str, data: dict[str, Any]) -> None:
        if attempt_id in self.mailboxes:
            self.mailboxes[attempt_id].append((name, {**data, "prompt_id": attempt_id}))


def _job_of(prefix: str) -> str:
    return prefix.split("/")[1]
