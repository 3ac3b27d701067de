"""What one waits for is counted through threads, whatever time calls take here."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Thread

import pytest

from bench.calls.paths import Path, Paths


@pytest.fixture
def paths() -> Iterator[Paths]:
    made = Paths()
    with made.followed():
        yield made


def test_calls_of_one_thread_are_in_sequence(paths: Paths) -> None:
    paths.add(4)
    paths.add(8)
    assert paths.current() == Path(2, 12)


def test_a_new_beginning_forgets_what_was_before(paths: Paths) -> None:
    paths.add(4)
    paths.begin()
    assert paths.current() == Path()


def test_who_waits_for_a_thread_continues_from_the_longer_path(paths: Paths) -> None:
    paths.add(4)
    thread = Thread(target=lambda: [paths.add(25), paths.add(25)])
    thread.start()
    paths.add(8)
    thread.join()
    paths.add(1)
    assert paths.current() == Path(4, 55)


def test_the_most_calls_and_the_longest_time_may_be_in_different_threads(paths: Paths) -> None:
    thread = Thread(target=paths.add, args=(25,))
    thread.start()
    paths.add(4)
    paths.add(4)
    thread.join()
    assert paths.current() == Path(2, 25)


def test_calls_that_nobody_waits_for_are_not_on_the_path(paths: Paths) -> None:
    may_end = Event()
    thread = Thread(target=lambda: [paths.add(25), may_end.wait()])
    thread.start()
    thread.join(0.01)
    assert paths.current() == Path()
    may_end.set()
    thread.join()
    assert paths.current() == Path(1, 25)


@pytest.mark.parametrize(
    ("threads", "works", "milliseconds"), [(3, 3, 25), (3, 4, 50), (1, 3, 75), (8, 20, 75)]
)
def test_a_pool_does_as_many_works_at_once_as_it_may_have_threads(
    paths: Paths, threads: int, works: int, milliseconds: float
) -> None:
    """Although each work ends before the next one begins, as calls of a fake may do."""
    paths.add(4)
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(works):
            Future.exception(pool.submit(paths.add, 25))  # wait here, and not on the path
    assert paths.current() == Path(1 + milliseconds / 25, 4 + milliseconds)


def test_the_end_of_a_future_is_awaited_and_not_that_of_its_pool(paths: Paths) -> None:
    with ThreadPoolExecutor(2) as pool:
        short, _ = pool.submit(paths.add, 4), pool.submit(lambda: [paths.add(9), paths.add(9)])
        short.result()
        assert paths.current().milliseconds == 4
    assert paths.current() == Path(2, 18)


def test_a_work_that_fails_was_waited_for_too(paths: Paths) -> None:
    def fail() -> None:
        paths.add(4)
        raise ValueError

    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError):
        pool.submit(fail).result()
    assert paths.current() == Path(1, 4)
