"""Checkpoints are fetched once, whole or not at all, and independently of each other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.fetcher import Fetcher
from tests.infra.instance import Instance, checksum, names_in
from tests.infra.web import Web
from tests.infra.web import web as serve

MODEL = bytes(range(256)) * 2000
BROKEN_OFF = 300_000


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with serve(tmp_path) as server:
        server.files["/models/m.safetensors"] = MODEL
        yield server


@pytest.fixture
def fetcher(instance: Instance, web: Web) -> Fetcher:
    return Fetcher(instance, web)


@pytest.fixture
def location(web: Web) -> str:
    return f"{web.url}/models/m.safetensors"


def test_a_checkpoint_is_fetched_once(fetcher: Fetcher, location: str) -> None:
    said = fetcher.fetch(location)
    assert fetcher.found == {"m.safetensors": MODEL}, said
    assert fetcher.fetch(location) == ""
    assert not fetcher.failed
    assert fetcher.web.asked == []


def test_the_query_of_a_url_is_not_part_of_the_file_name(fetcher: Fetcher, web: Web) -> None:
    web.files["/x/m.safetensors?download=true"] = MODEL
    fetcher.fetch(f"{web.url}/x/m.safetensors?download=true")
    assert fetcher.found == {"m.safetensors": MODEL}


def test_a_checkpoint_with_the_right_checksum_is_accepted(fetcher: Fetcher, location: str) -> None:
    fetcher.fetch(f"{location}#sha256={checksum(MODEL)}")
    assert fetcher.found == {"m.safetensors": MODEL}


def test_a_checkpoint_with_a_wrong_checksum_is_dropped_and_others_are_fetched(
    fetcher: Fetcher, location: str
) -> None:
    said = fetcher.fetch(f"{location}#sha256={checksum(b'')}", "s3://bucket/model.safetensors")
    assert f"Wrong checksum: {location}" in said
    assert fetcher.failed
    assert fetcher.found == {"model.safetensors": b"a model"}
    assert names_in(fetcher.incoming) == set()


def test_another_checksum_in_the_settings_fetches_the_checkpoint_again(
    fetcher: Fetcher, web: Web, location: str
) -> None:
    fetcher.fetch(location)
    web.files["/models/m.safetensors"] = b"newer"
    fetcher.fetch(f"{location}#sha256={checksum(b'newer')}")
    assert fetcher.found == {"m.safetensors": b"newer"}


def test_a_wrong_checksum_keeps_the_previous_checkpoint(
    fetcher: Fetcher, web: Web, location: str
) -> None:
    fetcher.fetch(location)
    fetcher.fetch(f"{location}#sha256={checksum(b'other')}")
    assert fetcher.found == {"m.safetensors": MODEL}


def test_a_download_that_broke_off_is_resumed(fetcher: Fetcher, web: Web, location: str) -> None:
    web.breaks_after = BROKEN_OFF
    said = fetcher.fetch(location)
    assert f"Not fetched: {location}" in said
    assert fetcher.failed
    assert fetcher.found == {}
    web.breaks_after = None
    fetcher.fetch(location)
    assert fetcher.web.asked == [("/models/m.safetensors", f"bytes={BROKEN_OFF}-")]
    assert fetcher.found == {"m.safetensors": MODEL}


def test_a_download_starts_over_if_the_server_does_not_support_ranges(
    fetcher: Fetcher, web: Web, location: str
) -> None:
    web.breaks_after = BROKEN_OFF
    fetcher.fetch(location)
    web.breaks_after, web.knows_ranges = None, False
    fetcher.fetch(location)
    assert fetcher.found == {"m.safetensors": MODEL}


@pytest.mark.parametrize("suffix", ["", f"#sha256={checksum(MODEL)}"])
def test_a_complete_download_that_was_not_renamed_is_used(
    fetcher: Fetcher, location: str, suffix: str
) -> None:
    fetcher.fetch()
    part = checksum(f"{location}{suffix}\n".encode())
    (fetcher.incoming / part).write_bytes(MODEL)
    fetcher.fetch(location + suffix)
    assert fetcher.found == {"m.safetensors": MODEL}
    assert not fetcher.failed
    # Without a checksum only the server can tell that there is nothing to add.
    assert bool(fetcher.web.asked) == (not suffix)


def test_a_missing_checkpoint_does_not_prevent_others(
    fetcher: Fetcher, web: Web, location: str
) -> None:
    gone = f"{web.url}/gone.safetensors"
    said = fetcher.fetch(gone, "s3://bucket/gone.safetensors", location)
    assert f"Not fetched: {gone}" in said
    assert "Not fetched: s3://bucket/gone.safetensors" in said
    assert fetcher.failed
    assert fetcher.found == {"m.safetensors": MODEL}


def test_partial_downloads_of_removed_locations_are_deleted(
    fetcher: Fetcher, web: Web, location: str
) -> None:
    web.breaks_after = BROKEN_OFF
    fetcher.fetch(location)
    assert len(names_in(fetcher.incoming)) == 1
    fetcher.fetch("s3://bucket/model.safetensors")
    assert names_in(fetcher.incoming) == set()


def test_a_prefix_is_synced_with_all_under_it(fetcher: Fetcher) -> None:
    folder = fetcher.instance.cloud / "bucket/sdxl"
    folder.mkdir()
    (folder / "one.safetensors").write_bytes(b"1")
    (folder / "two.safetensors").write_bytes(b"2")
    fetcher.fetch("s3://bucket/sdxl/")
    assert fetcher.found == {"one.safetensors": b"1", "two.safetensors": b"2"}
    assert not fetcher.failed


def test_partial_files_that_a_sync_left_are_deleted(fetcher: Fetcher) -> None:
    fetcher.fetch()
    left = "var/lib/comfyui/models/checkpoints/one.safetensors.1A2b3C4d"
    (fetcher.instance.root / left).write_bytes(b"half")
    (fetcher.instance.cloud / "bucket/sdxl").mkdir()
    fetcher.fetch("s3://bucket/sdxl/")
    assert fetcher.found == {}


def test_without_tls_nothing_is_fetched(fetcher: Fetcher, location: str) -> None:
    fetcher.fetch(location.replace("https:", "http:"))
    assert fetcher.failed
    assert fetcher.found == {}


def test_having_no_checkpoints_is_not_a_failure(fetcher: Fetcher) -> None:
    assert fetcher.fetch() == ""
    assert not fetcher.failed
