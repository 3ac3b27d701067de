"""Malformed answers and states neither break the switch nor count as idleness."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.infra.switch import (
    BUSY,
    EMPTY,
    IDLE,
    LONGEST,
    NO_HISTORY,
    SILENT,
    Answers,
    Switch,
    http,
)

START = 60
MALFORMED = {
    "nothing": b"",
    "no HTTP": b"\x00\xff\xfe" * 99,
    "an empty body": http(b""),
    "HTML": http(b'<html>{"queue_remaining": 0}</html>'),
    "a 500": http(b'{"exec_info": {"queue_remaining": 0}}', "500 Internal Server Error"),
    "zeros": http(bytes(9999)),
    "null": http(b"null"),
    "a list": http(b'[{"queue_remaining": 0}]'),
    "a text": http(b'"{}"'),
    "cut off": http(b'{"exec_info": {"queue_remaining": 0}}')[:-3],
    "a bomb": http(b'{"a": "$(touch /)`false`"' + b"x" * 3_000_000),
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
}
COUNTS = ["-1", "null", '"0"', "1e9", "0.5", "99999999999999999999", "08", "a[0]", "{}"]


def is_off_when_silent_for_long(switch: Switch) -> bool:
    switch.look(START)
    switch.look(START + SILENT - 1)
    early = switch.is_off
    switch.look(START + SILENT)
    return switch.is_off and not early


@pytest.mark.parametrize("answer", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_queue_counts_as_silence(answer: bytes, tmp_path: Path) -> None:
    with Answers(prompt=answer).serve() as port:
        assert is_off_when_silent_for_long(Switch(tmp_path, port))


@pytest.mark.parametrize("count", COUNTS)
def test_an_invalid_queue_length_counts_as_silence(count: str, tmp_path: Path) -> None:
    body = f'{{"exec_info": {{"queue_remaining": {count}}}}}'
    with Answers(prompt=http(body.encode())).serve() as port:
        assert is_off_when_silent_for_long(Switch(tmp_path, port))


@pytest.mark.parametrize("answer", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_history_counts_as_silence_unless_prompts_are_queued(
    answer: bytes, tmp_path: Path
) -> None:
    answers = Answers(history=answer)
    with answers.serve() as port:
        assert is_off_when_silent_for_long(Switch(tmp_path, port))
        (tmp_path / "off").unlink()
        answers.prompt = BUSY
        Switch(tmp_path, port).look(START + 2 * SILENT)
    assert not Switch(tmp_path, port).is_off


def test_a_comfyui_that_hangs_counts_as_silent(tmp_path: Path) -> None:
    answers = Answers()
    with answers.serve() as port:
        answers.hang.clear()
        switch = Switch(tmp_path, port)
        switch.environment["SWITCH_PATIENCE_SECONDS"] = "1"
        assert is_off_when_silent_for_long(switch)


def test_a_malformed_answer_between_good_ones_does_not_change_the_idle_time(tmp_path: Path) -> None:
    answers = Answers(EMPTY, NO_HISTORY)
    with answers.serve() as port:
        switch = Switch(tmp_path, port)
        switch.look(START)
        answers.prompt = answers.history = b"malformed"
        switch.look(START + IDLE)
        assert not switch.is_off
        answers.prompt, answers.history = EMPTY, NO_HISTORY
        switch.look(START + IDLE)
        assert switch.is_off


@pytest.mark.parametrize(
    "state", [b"", b"\x00\xff", b"1 2\n", b"a[$(touch x)] 1 none", b"-9 0 none"]
)
def test_a_corrupt_state_restarts_the_idle_time(state: bytes, tmp_path: Path) -> None:
    with Answers().serve() as port:
        switch = Switch(tmp_path, port)
        switch.state.parent.mkdir()
        switch.state.write_bytes(state)
        switch.look(5 * IDLE)
        switch.look(6 * IDLE - 1)
        assert not switch.is_off
        switch.look(6 * IDLE)
        assert switch.is_off


def no_folder(switch: Switch) -> None:
    """Root may write to any folder, but not into a file."""
    switch.state.parent.write_text("")


def no_file(switch: Switch) -> None:
    switch.state.mkdir(parents=True)


@pytest.mark.parametrize("obstacle", [no_folder, no_file])
def test_without_a_state_file_idle_time_counts_from_boot(
    obstacle: Callable[[Switch], None], tmp_path: Path
) -> None:
    with Answers().serve() as port:
        switch = Switch(tmp_path, port)
        obstacle(switch)
        assert "counting from boot" in switch.look(IDLE - 1)
        assert not switch.is_off
        switch.look(IDLE)
        assert switch.is_off


def test_without_a_state_file_an_instance_that_works_stays_on(tmp_path: Path) -> None:
    with Answers(prompt=BUSY).serve() as port:
        switch = Switch(tmp_path, port)
        no_folder(switch)
        switch.look(LONGEST - 1)
        assert not switch.is_off
