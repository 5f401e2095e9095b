"""How far work is: a bar on a terminal, elsewhere a line every 30 s, and everything passes through."""

import threading
from collections.abc import Iterator

import pytest

from atft.process import progress
from atft.process.progress import LINE_SECONDS, WAKE_SECONDS, LineTimer, Progress, track


class Clock:
    """A clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock of its own; no thread prints, the test asks for the line."""
    monkeypatch.setattr(progress, "WAKE_SECONDS", 1e6)
    return Clock()


def test_short_work_passes_everything_in_order_and_a_log_stays_clean(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(track(range(5), "counting")) == [0, 1, 2, 3, 4]
    assert list(track((c for c in "abc"), "spelling", total=3)) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_what_is_done_and_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert len(list(track(range(7), "building the cache"))) == 7
    out, err = capsys.readouterr()
    assert out == "" and "building the cache" in err and "7/7" in err


def test_a_log_gets_a_line_at_least_every_30_seconds(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert LINE_SECONDS + WAKE_SECONDS <= 30
    with Progress("building the cache", 1200, timer=LineTimer(clock)) as work:
        for _ in range(30):
            clock.now += 2.5
            work.advance()
            work.print_if_due()
    assert capsys.readouterr().err.splitlines() == [
        "building the cache: 12 of 1,200, about 0:49:30 left",
        "building the cache: 24 of 1,200, about 0:49:00 left",
    ]


def test_work_without_parts_says_how_long_it_takes(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("features", timer=LineTimer(clock)) as work:
        work.print_if_due()
        clock.now += 65
        work.print_if_due()
    assert capsys.readouterr().err == "features, 0:01:05 so far\n"


def test_many_short_pieces_of_work_are_not_silent_and_the_innermost_prints(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    timer = LineTimer(clock)
    with Progress("fit", timer=timer) as outer:
        for name in ("one", "two", "three"):
            with Progress(name, 2, timer=timer) as inner:
                clock.now += 12
                for work in (outer, inner):
                    work.print_if_due()
        clock.now += 30
        outer.print_if_due()
    assert capsys.readouterr().err.splitlines() == ["three: 0 of 2", "fit, 0:01:06 so far"]


def test_a_part_that_takes_longer_than_30_seconds_is_not_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "WAKE_SECONDS", 0.001)
    clock, printed = Clock(), threading.Event()

    def line(work: Progress) -> str:
        printed.set()
        return "step 3 of 80"

    with Progress("epoch", 80, line, timer=LineTimer(clock)):
        clock.now += 31  # and nothing advances
        assert printed.wait(60)
    assert capsys.readouterr().err == "step 3 of 80\n"


def test_items_are_taken_one_at_a_time() -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            yield i

    for item in track(source(), "lazy"):
        if item == 3:
            break
    assert taken == [0, 1, 2, 3]


def test_items_without_a_length_have_no_estimate() -> None:
    for items, total in (((c for c in "ab"), None), (list("ab"), 2)):
        for _ in track(items, "joining"):
            assert progress.OF_PROCESS.running[-1].total == total


def test_an_error_in_the_loop_is_passed_on_and_ends_the_work() -> None:
    with pytest.raises(KeyError, match="here"):
        for _ in track([1], "failing"):
            raise KeyError("here")
    assert progress.OF_PROCESS.running == []
