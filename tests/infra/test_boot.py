"""An instance sets itself up at its first start, and later starts cost next to nothing."""

import re

import pytest

from tests.infra.instance import Instance, names_in

COSTLY = re.compile(
    r"s3 (cp|sync)|git |venv|pip|chown|main\.py|systemd-sysusers|fetch-config|restart"
)


def test_the_first_start_makes_an_instance_of_it(ready: Instance) -> None:
    assert ready.is_ready
    assert ready.runs == "v1"
    assert names_in(ready.root / "opt/comfyui") == {"current", ready.settings["COMFYUI_COMMIT"]}


def test_the_switch_comes_before_all_that_could_fail_or_hang(ready: Instance) -> None:
    switch = ready.position("enable --now darkroom-switch.timer")
    for later in (r"systemd-sysusers", r"git .*fetch", r"pip", r"s3 cp .*model", r"nvidia"):
        assert switch < ready.position(later)


def test_until_there_is_a_switch_a_power_off_is_due(ready: Instance) -> None:
    due, ended = ready.position(r"shutdown -P \+45"), ready.position("shutdown -c")
    assert due < ready.position("ssm get-parameter")
    assert ready.position("enable --now darkroom-switch.timer") < ended


def test_a_power_off_that_is_due_is_not_put_off(instance: Instance) -> None:
    due = instance.root / "run/systemd/shutdown/scheduled"
    due.parent.mkdir(parents=True)
    due.touch()
    instance.first_start(BROKEN="aws")
    assert instance.code != 0
    assert not instance.called("shutdown -P")


def test_comfyui_is_started_after_its_checkpoints(ready: Instance) -> None:
    assert ready.position("s3 cp .*model") < ready.position("start --no-block comfyui")


def test_a_later_start_does_nothing_that_takes_long(ready: Instance) -> None:
    said = ready.start()
    assert ready.is_ready, said
    assert not [call for call in ready.calls if COSTLY.search(call)]
    assert "Now:" not in said


def test_a_later_start_fetches_new_checkpoints_beside_comfyui(ready: Instance) -> None:
    ready.start()
    assert ready.position("start --no-block comfyui") < ready.position("darkroom-checkpoints")


@pytest.mark.parametrize("part", ["nvidia", "fetch-config", "s3 cp .*model"])
def test_what_is_not_essential_does_not_stop_comfyui(instance: Instance, part: str) -> None:
    instance.first_start(BROKEN=part)
    assert instance.code == 0
    assert instance.called("start --no-block comfyui")


def test_without_a_comfyui_the_start_fails_and_is_tried_again(instance: Instance) -> None:
    said = instance.first_start(BROKEN="git .*fetch")
    assert instance.code != 0
    assert "There is no ComfyUI to start" in said
    assert not instance.called("start --no-block comfyui")
    instance.start()
    assert instance.is_ready
