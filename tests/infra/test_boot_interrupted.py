"""The reconciler may stop an instance at any time: its setup continues at the next start."""

import pytest

from tests.infra.instance import WORKS, Instance

STEPS = {
    "the switch": "enable --now darkroom-switch",
    "the bundle": "s3 cp .*bundle",
    "the user": "systemd-sysusers",
    "the journal": "restart systemd-journald",
    "the agent": "fetch-config",
    "the repository": "git init",
    "the source": "git .*fetch",
    "the checkout": "git .*checkout",
    "the environment": "-m venv",
    "the requirements": "-m pip",
    "the trial": r"main\.py",
    "the owner": "chown -R root:root",
    "a checkpoint": "s3 cp .*model",
    "the end": "start --no-block comfyui",
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_setup_that_a_power_off_interrupts_continues_at_the_next_start(
    instance: Instance, step: str
) -> None:
    instance.first_start(CUT=step)
    assert instance.was_cut
    said = instance.start()
    assert instance.is_ready, said
    assert instance.runs == "v1"


def test_steps_that_were_done_before_a_power_off_are_not_repeated(instance: Instance) -> None:
    instance.first_start(CUT="s3 cp .*model")
    instance.start()
    assert not instance.called(r"git|venv|pip|sysusers")


@pytest.mark.parametrize("cut", ["fetch", "venv", "pip", r"main\.py", "chown -R root"])
def test_an_upgrade_that_a_power_off_interrupts_continues_at_the_next_start(
    ready: Instance, cut: str
) -> None:
    ready.offer_comfyui("v2", WORKS)
    ready.start(CUT=cut)
    assert ready.was_cut
    assert ready.runs == "v1"
    ready.start()
    assert ready.runs == "v2"
