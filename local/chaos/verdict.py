"""The result of a fault run: jobs that were lost or made twice, and the figures."""

from collections import Counter, defaultdict
from datetime import datetime
from typing import Any, NamedTuple

from local.chaos.orders import Answer
from local.chaos.truth import OPEN, Truth

# A job fails if faults end all its attempts, as docs/reliability.md says.
_EXPECTED_FAILURES = {"attempts_exhausted"}


class Verdict(NamedTuple):
    """`wrong` has a sentence for each violation; the fault run succeeded if it is empty."""

    figures: dict[str, Any]
    wrong: list[str]


def judge(truth: Truth, answers: list[Answer]) -> Verdict:
    """Compare the answers to callers with the final state."""
    lost, double = _lost(truth, answers), _double(truth, answers)
    jobs = [job for job in truth.read.values() if job]
    by_status = Counter(job["status"] for job in jobs)
    failed = Counter(job["error"]["code"] for job in jobs if job["status"] == "failed")
    accepted = {each.job_id for each in answers if each.is_accepted}
    slowest = max(jobs, key=_seconds, default=None)
    figures = {
        "requests": len(answers),
        "unanswered": sum(not each.is_known for each in answers),
        "submitted": len(accepted | set(truth.listed)),
        "succeeded": by_status["succeeded"],
        "failed": dict(failed),
        "canceled": by_status["canceled"],
        "lost": len(lost),
        "duplicated": len(double),
        "attempts": _histogram(len(job["attempts"]) for job in jobs),
        "reasons": dict(
            Counter(each["reason"] for job in jobs for each in job["attempts"][1:]).most_common()
        ),
        "images_of_each_gpu": truth.made_by_gpu,
        "extra_runs": sum(count - 1 for count in truth.made.values() if count),
        "slowest_seconds": round(_seconds(slowest)) if slowest else None,
    }
    other = _taken(truth) + _imageless(truth) + _refused(answers, failed)
    return Verdict(figures, lost + double + other)


def _lost(truth: Truth, answers: list[Answer]) -> list[str]:
    found = []
    for job_id in sorted({each.job_id for each in answers if each.is_accepted and each.job_id}):
        job = truth.read[job_id]
        if job is None:
            found.append(f"lost: job {job_id} was accepted, but does not exist")
        elif job_id not in truth.listed:
            found.append(f"lost: job {job_id} is not in the list of jobs")
    found += [
        f"lost: job {job_id} is still {job['status']}: {job['status_reason']}"
        for job_id, job in truth.read.items()
        if job and job["status"] in OPEN
    ]
    ordered = {job["metadata"]["prompt"] for job in truth.read.values() if job}
    promised = {each.order for each in answers if each.is_accepted}
    return found + [f"lost: {order!r} was accepted, but has no job" for order in promised - ordered]


def _double(truth: Truth, answers: list[Answer]) -> list[str]:
    jobs: dict[str, set[str]] = defaultdict(set)
    for job_id, job in truth.read.items():
        if job:
            jobs[job["metadata"]["prompt"]].add(job_id)
    for each in answers:
        if each.job_id:
            jobs[each.order].add(each.job_id)
    found = [
        f"double: {order!r} has the jobs {', '.join(sorted(ids))}"
        for order, ids in jobs.items()
        if len(ids) > 1
    ]
    for job_id, count in truth.stored.items():
        job = truth.read.get(job_id)
        listed = len(job["image_urls"]) if job else 0
        if count > max(listed, 1):
            found.append(f"double: job {job_id} has {count} images in the bucket")
        elif count > listed:
            status = job["status"] if job else "unknown"
            found.append(f"double: the {status} job {job_id} does not list its image")
    return found


def _taken(truth: Truth) -> list[str]:
    return [
        f"slot: {instance_id} still has slots of the jobs {', '.join(sorted(jobs))}"
        for instance_id, jobs in truth.slots.items()
    ]


def _imageless(truth: Truth) -> list[str]:
    return [f"no image: job {job_id} succeeded without an image" for job_id in truth.no_image]


def _refused(answers: list[Answer], failed: Counter[str]) -> list[str]:
    refused = {each.status for each in answers if 400 <= each.status < 500 and not each.code}
    return [
        *(f"unexpected: a request was refused with {status}" for status in sorted(refused)),
        *(f"unexpected: a job failed: {code}" for code in failed if code not in _EXPECTED_FAILURES),
    ]


def _histogram(numbers: Any) -> dict[str, int]:
    return {str(number): count for number, count in sorted(Counter(numbers).items())}


def _seconds(job: dict[str, Any]) -> float:
    ended = job["finished_at"]
    if not ended:
        return 0.0
    return (
        datetime.fromisoformat(ended) - datetime.fromisoformat(job["created_at"])
    ).total_seconds()
