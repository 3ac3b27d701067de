"""The README names all that a user can set and call."""

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import fields

import app
from chalicelib.config import Config
from chalicelib.version import VERSION
from infra.deploy.choices import IMAGE
from tests.conftest import RESOURCES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text() if (ROOT / "README.md").exists() else ""
PATHS = sorted(set(app.app.routes) - {"/", "/{proxy+}"})


@pytest.mark.parametrize("name", [field.name.upper() for field in fields(Config)])
def test_every_environment_variable_is_in_the_readme(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("path", PATHS)
def test_every_route_is_in_the_readme(path: str) -> None:
    assert path.replace("{item_id}", "{id}") in README


@pytest.mark.parametrize("name", RESOURCES["Parameters"])
def test_every_template_parameter_is_in_the_readme(name: str) -> None:
    assert f"`{name}`" in README


def test_the_readme_gives_exactly_two_set_up_commands() -> None:
    [block] = re.findall(r"## Two commands\n+```sh\n(.*?)```", README, re.DOTALL)
    assert [line.partition("#")[0].strip() for line in block.splitlines()] == [
        "make demo",
        "make test",
    ]


def test_every_decision_says_what_why_and_effect() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert decisions
    for decision in decisions:
        headings = re.findall(r"^## (.+)$", decision.read_text(), re.MULTILINE)
        assert headings == ["What", "Why", "Effect"], decision.name


def test_the_newest_chapter_of_the_changelog_is_of_this_version() -> None:
    newest = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert newest == ("Unreleased" if ".dev" in VERSION else VERSION)


def test_every_dependency_is_explained() -> None:
    reasons = (ROOT / "docs/decisions/0001-dependencies.md").read_text()
    for requirements in ROOT.glob("requirements*.txt"):
        for line in requirements.read_text().splitlines():
            if name := re.match(r"[A-Za-z][\w-]*", line):
                assert f"`{name[0]}`" in reasons, name[0]


def test_the_readme_states_the_recorded_figures() -> None:
    results = json.loads((ROOT / "bench/results.json").read_text())
    figures = [results["package_megabytes"], *results["import"].values()]
    figures += results["post_to_png"].values()
    stated = README.partition("## Figures")[2].partition("\n## ")[0]
    # The interpreter's own start is in none of the sentences.
    missing = [each for each in figures if not re.search(rf"(?<![\d.]){each}(?![\d.])", stated)]
    assert missing == [results["import"]["interpreter_ms"]]


def test_the_readme_states_the_recorded_fleet_run() -> None:
    run = json.loads((ROOT / "bench/fleet.json").read_text())
    chapter = README.partition("### From all off to all off")[2].partition("\n### ")[0]
    shown = dict(re.findall(r"^\| ([a-z, ]+) \| ([\d., ]+) \|", chapter, re.MULTILINE))
    assert shown == {
        "jobs, succeeded": f"{run['jobs']}, {run['succeeded']}",
        "starts": str(run["starts"]),
        "seconds to all images": str(run["seconds_to_all_images"]),
        "seconds from the last image to all off": str(run["seconds_from_last_image_to_all_off"]),
    }


def test_the_readme_states_the_recorded_fault_run() -> None:
    run = json.loads((ROOT / "bench/chaos.json").read_text())
    chapter = README.partition("### Proven by breaking it")[2].partition("\n### ")[0]
    shown = dict(re.findall(r"^\| ([a-z]+) \| (\d+) \|", chapter, re.MULTILINE))
    figures = ("submitted", "succeeded", "canceled", "lost", "duplicated", "seconds")
    assert shown == {name: str(run[name]) for name in figures}
    assert (run["lost"], run["duplicated"], run["failed"]) == (0, 0, {})
    for count in (*run["attempts"].values(), *run["faults"].values()):
        assert re.search(rf"\b{count}\b", chapter), count


def test_the_costs_at_rest_add_up() -> None:
    chapter = README.partition("### What it costs at rest")[2].partition("\n### ")[0]
    rows = re.findall(r"^\|.*\| \**([\d.]+)\** \| \**([\d.]+)\** \|$", chapter, re.MULTILINE)
    *lines, (hour, month) = [(float(hour), float(month)) for hour, month in rows]
    assert len(lines) >= 8
    assert round(sum(month for _, month in lines), 2) == month
    for an_hour, a_month in [*lines, (hour, month)]:
        assert round(a_month / 730, 5) == an_hour


def test_the_readme_of_the_instance_names_the_ami_that_is_deployed() -> None:
    assert IMAGE in (ROOT / "infra/instance/README.md").read_text()


def test_documents_that_are_named_are_there() -> None:
    """Code and docs name only what is in the repository."""
    for path in (*ROOT.glob("chalicelib/**/*.py"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"):
        text = path.read_text()
        assert "§" not in text, path
        for named in re.findall(r"\bdocs/[\w/.-]+\.md", text):
            assert (ROOT / named).exists(), (path, named)
