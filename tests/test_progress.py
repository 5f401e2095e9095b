"""The progress bar: passes everything through, and is silent where nobody watches."""

from collections.abc import Iterator

import pytest

from atft.progress import track


def test_everything_passes_in_order_and_a_log_stays_clean(capsys: pytest.CaptureFixture[str]) -> None:
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


def test_an_error_in_the_loop_is_passed_on() -> None:
    with pytest.raises(KeyError, match="here"):
        for _ in track([1], "failing"):
            raise KeyError("here")
