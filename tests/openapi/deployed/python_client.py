"""Use the client that openapi-python-client generates; URL and key are arguments."""

import sys
import time
from urllib.parse import parse_qs, urlsplit

import httpx
from darkroom_client import AuthenticatedClient
from darkroom_client.api.images import generate_image
from darkroom_client.api.jobs import cancel_job, get_job
from darkroom_client.api.posts import generate_post_images
from darkroom_client.api.styles import list_styles
from darkroom_client.models import Error, GenerateRequest, Image, Job, PostJobs, PostRequest
from darkroom_client.models.job_status import JobStatus
from darkroom_client.types import UNSET, Unset

ASYNC = "respond-async"
WAIT_SECONDS = 60


def waits_for_an_image(client: AuthenticatedClient) -> None:
    # The GPU is off: the wait leads through redirects.
    made = generate_image.sync(client=client, body=request("a lighthouse"), wait=WAIT_SECONDS)
    assert isinstance(made, Image), made
    assert made.image_url.startswith("http")
    assert (made.metadata.width, made.metadata.steps) == (64, 1)


def polls_a_job(client: AuthenticatedClient) -> None:
    job = generate_image.sync(client=client, body=request("a fox"), prefer=ASYNC)
    assert isinstance(job, Job), job
    until = time.monotonic() + WAIT_SECONDS
    while job.finished_at is None:
        assert time.monotonic() < until, job
        time.sleep(0.2)
        found = get_job.sync(job.id, client=client)
        assert isinstance(found, Job), found
        job = found
    assert job.status is JobStatus.SUCCEEDED, job
    assert len(job.image_urls) == 1


def lists_styles_by_pages(client: AuthenticatedClient) -> None:
    ids: list[int] = []
    cursor: str | Unset = UNSET
    for _ in range(3):
        page = list_styles.sync_detailed(client=client, limit=2, cursor=cursor)
        assert isinstance(page.parsed, list)
        assert len(page.parsed) == 2
        ids += [style.id for style in page.parsed]
        following = page.headers["Link"].partition(">")[0].removeprefix("<")
        [cursor] = parse_qs(urlsplit(following).query)["cursor"]
    assert len(set(ids)) == 6


def cancels_a_job(client: AuthenticatedClient) -> None:
    body = PostRequest(prompt="a harbor", width=64, height=64, count=2)
    made = generate_post_images.sync("42", client=client, body=body, prefer=ASYNC)
    assert isinstance(made, PostJobs), made
    # The second image waits for the first one.
    canceled = cancel_job.sync(made.jobs[1].id, client=client)
    assert isinstance(canceled, Job), canceled
    assert canceled.status is JobStatus.CANCELED


def reads_an_error(client: AuthenticatedClient) -> None:
    refused = generate_image.sync(client=client, body=GenerateRequest(prompt="a fox", width=7))
    assert isinstance(refused, Error), refused
    assert refused.details.field == "width"
    missing = get_job.sync("01KB8Z3V5M4Q6W8N2R7T9X1Y3Z", client=client)
    assert isinstance(missing, Error), missing


def request(prompt: str) -> GenerateRequest:
    return GenerateRequest(prompt=prompt, width=64, height=64, steps=1)


if __name__ == "__main__":
    client = AuthenticatedClient(
        base_url=sys.argv[1],
        token=sys.argv[2],
        timeout=httpx.Timeout(WAIT_SECONDS),
        follow_redirects=True,
    )
    for use in (
        waits_for_an_image,
        polls_a_job,
        lists_styles_by_pages,
        cancels_a_job,
        reads_an_error,
    ):
        use(client)
        sys.stdout.write(f"{use.__name__}\n")
