"""User data, configuration files and README agree with the units and scripts."""

import json
import os
import re
from pathlib import Path

from infra.bundle import INSTANCE, bundle
from tests.infra.instance import Instance
from tests.infra.test_instance_units import COMFYUI, service

README = (INSTANCE / "README.md").read_text()


def test_comfyuis_directories_are_created_and_its_images_deleted_after_a_day() -> None:
    lines = [line.split() for line in (INSTANCE / "tmpfiles.conf").read_text().splitlines()]
    ours = {line[1]: line[2:] for line in lines if line[0] == "d"}
    for path in " ".join(COMFYUI["ReadWritePaths"]).split():
        assert ours[path][:3] == ["0750", "comfyui", "comfyui"]
    aged = {path.rpartition("/")[2] for path, line in ours.items() if line[3:] == ["1d"]}
    assert aged == {"input", "output", "temp"}
    assert ours["/var/lib/comfyui/models/checkpoints"] == ["0755", "root", "root"]


def test_the_journal_has_a_size_limit_and_survives_a_power_off() -> None:
    lines = (INSTANCE / "journald.conf").read_text().splitlines()
    assert {"SystemMaxUse=200M", "Storage=persistent"} <= {*lines}


def test_each_unit_has_a_log_stream_for_each_instance(ready: Instance) -> None:
    config = json.loads((ready.root / "etc/darkroom/cloudwatch.json").read_text())
    files = config["logs"]["logs_collected"]["files"]["collect_list"]
    assert {each["log_group_name"] for each in files} == {"/darkroom/instances"}
    units = ["comfyui", *(f"darkroom-{it}" for it in ("boot", "checkpoints", "switch", "timeline"))]
    assert [each["log_stream_name"] for each in files] == [f"{{instance_id}}/{it}" for it in units]
    assert [each["file_path"] for each in files] == [f"/var/log/darkroom/{it}.log" for it in units]


def test_new_lines_of_the_journal_are_copied_to_files_that_are_rotated(
    instance: Instance, tmp_path: Path
) -> None:
    journal, logs = tmp_path / "journal", tmp_path / "logs"
    journal.write_text("2026-01-01T00:00:00+00:00 started\n")
    logs.mkdir()
    places = {"JOURNAL": str(journal), "LOGS_DIRECTORY": str(logs), "STATE_DIRECTORY": "/state"}
    instance.run("darkroom-logs", **places)
    assert (logs / "comfyui.log").read_text() == journal.read_text()
    assert instance.called("journalctl .*--unit=comfyui.service --cursor-file=/state/comfyui")
    os.truncate(logs / "comfyui.log", 5_000_001)
    instance.run("darkroom-logs", **places)
    assert (logs / "comfyui.log").read_text() == journal.read_text()
    assert (logs / "comfyui.log.1").stat().st_size == 5_000_001


def test_a_unit_whose_journal_cannot_be_read_does_not_affect_others(
    instance: Instance, tmp_path: Path
) -> None:
    (tmp_path / "journal").write_text("off\n")
    places = {"JOURNAL": str(tmp_path / "journal"), "LOGS_DIRECTORY": str(tmp_path)}
    instance.run("darkroom-logs", BROKEN="unit=comfyui", **places)
    assert instance.code == 0
    assert (tmp_path / "darkroom-switch.log").read_text() == "off\n"


def test_the_user_data_has_the_two_placeholders_and_no_other_braces() -> None:
    text = (INSTANCE / "user-data.sh").read_text()
    assert {*re.findall(r"\$\{[^}]*\}", text)} == {"${AWS::Region}", "${AWS::StackName}"}
    assert len(text) < 8_192  # half of what EC2 takes


def test_an_instance_reads_the_parameter_of_its_stack(ready: Instance) -> None:
    assert ready.called("ssm get-parameter --name /stack/instance ")
    assert "AWS_DEFAULT_REGION=eu-west-1" in (ready.root / "etc/darkroom/instance.env").read_text()


def test_the_unit_of_the_user_data_starts_at_each_boot(ready: Instance) -> None:
    lines = service(ready.root / "etc/systemd/system/darkroom-boot.service")
    assert lines["ExecStart"] == ["/usr/local/sbin/darkroom-start"]
    assert lines["Restart"] == ["on-failure"]


def test_the_readme_names_every_file_and_setting() -> None:
    for file in INSTANCE.iterdir():
        assert f"`{file.name}`" in README or file.name == "README.md", file.name
    names = re.findall(r"^  \[([A-Z0-9_]+)\]=", (INSTANCE / "darkroom-settings").read_text(), re.M)
    assert len(names) == 12
    for name in names:
        assert f"`{name}`" in README, name


def test_the_bundle_is_smaller_than_50_kilobytes() -> None:
    assert len(bundle()[0]) < 50_000
