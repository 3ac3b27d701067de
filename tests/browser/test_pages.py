"""The documentation page in a browser: what it shows, what it calls, and what it is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from local.stack.api import Api
from tests.e2e.conftest import Stack, deployed

DOCS = "/api/images/docs"
WIDTHS = (360, 1280)

expect.set_options(timeout=30_000)  # as for clicks: a function may have to start

_REPORT = """
document.addEventListener("securitypolicyviolation", event => console.error(event.blockedURI));
"""


@pytest.fixture(scope="module")
def stack(packaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with deployed(packaged, tmp_path_factory.mktemp("pages")) as stack:
        yield stack


class Visit(NamedTuple):
    """A page, and what it has done."""

    page: Page
    hosts: set[str]
    problems: list[str]

    def authorize(self, key: str) -> None:
        self.page.get_by_role("button", name="Authorize").first.click()
        dialog = self.page.locator(".modal-ux")
        dialog.locator("input").first.fill(key)
        dialog.get_by_role("button", name="Apply credentials").first.click()
        dialog.get_by_role("button", name="Close").first.click()

    def open(self, method: str, path: str) -> Any:
        """Open an operation; return its part of the page."""
        operation = self.page.locator(f".opblock-{method}").filter(
            has=self.page.locator(f'[data-path="{path}"]')
        )
        operation.locator(".opblock-summary-control").click()
        operation.get_by_role("button", name="Try it out").click()
        return operation

    def answer(self, operation: Any) -> Any:
        operation.get_by_role("button", name="Execute").click()
        return operation.locator(".live-responses-table .response")

    def fits(self) -> bool:
        """Return whether the page does not scroll to the side."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.fixture(params=WIDTHS)
def visit(browser: Browser, stack: Stack, request: pytest.FixtureRequest) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": request.param, "height": 800})
    yield visited(context.new_page(), stack.api.url)
    context.close()


def visited(page: Page, api_url: str) -> Visit:
    visit = Visit(page, set(), [])
    page.on("console", lambda said: visit.problems.append(said.text))
    page.on("pageerror", lambda error: visit.problems.append(str(error)))
    page.on("requestfailed", lambda failed: visit.problems.append(failed.url))
    page.on("request", lambda sent: visit.hosts.add(urlsplit(sent.url).netloc))
    page.add_init_script(_REPORT)
    page.goto(f"{api_url}{DOCS}")
    return visit


def test_the_page_lists_the_operations_and_calls_nobody_else(visit: Visit, stack: Stack) -> None:
    listed = visit.page.locator(".opblock")
    expect(listed.first).to_be_visible()
    document = stack.call("GET", "/api/images/openapi.json").json()
    items = [item for path in document["paths"].values() for item in path.values()]
    expect(listed).to_have_count(sum("operationId" in item for item in items))
    longest = visit.page.locator('[data-path="/api/images/generate"]')
    longest.click()
    expect(visit.page.get_by_role("button", name="Try it out")).to_be_visible()
    assert visit.fits()
    assert visit.problems == []
    assert visit.hosts == {urlsplit(stack.api.url).netloc}


def test_a_caller_with_a_key_tries_an_operation_out(visit: Visit, stack: Stack) -> None:
    visit.authorize(stack.api.key)
    answer = visit.answer(visit.open("get", "/api/images/styles"))
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer).to_contain_text("prompt_template")
    assert visit.fits()
    assert visit.problems == []
    assert visit.hosts == {urlsplit(stack.api.url).netloc}


def test_the_page_does_not_keep_the_key(visit: Visit, stack: Stack) -> None:
    visit.authorize(stack.api.key)
    kept = "JSON.stringify([localStorage, sessionStorage, document.cookie])"
    assert stack.api.key not in visit.page.evaluate(kept)
    visit.page.reload()
    answer = visit.answer(visit.open("get", "/api/images/styles"))
    expect(answer.locator(".response-col_status")).to_contain_text("401")


def test_a_link_leads_to_an_operation(visit: Visit, stack: Stack) -> None:
    visit.open("get", "/api/images/styles")
    address = visit.page.url
    assert "#/" in address
    visit.page.goto("about:blank")
    visit.page.goto(address)
    expect(visit.page.locator(".opblock.is-open")).to_have_count(1)


def test_the_page_shows_an_image_that_a_caller_tries_out(
    browser: Browser, stack: Stack, api: Api
) -> None:
    """At another origin than the API's own URL and the bucket."""
    job = stack.finished(stack.accepted())
    context = browser.new_context()
    visit = visited(context.new_page(), api.url)
    visit.authorize(stack.api.key)
    operation = visit.open("get", "/api/images/files/{image_id}")
    operation.locator(".parameters input").first.fill(f"{job['id']}-0")
    image = visit.answer(operation).locator("img")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.naturalWidth") == 64
    assert visit.problems == []
    origins = {urlsplit(url).netloc for url in (api.url, stack.api.url)}
    assert len(origins) == 2
    assert visit.hosts - {""} == origins
    context.close()
