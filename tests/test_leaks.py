"""The benchmark of planted leaks: all of them are found, and nothing clean is accused."""

from pathlib import Path

import pytest

from benchmarks.leaks import PANELS, PIPELINES, PREDICTIONS, main


def test_there_are_38_leaks_among_them_the_published_ones() -> None:
    names = [*PANELS, *PREDICTIONS, *PIPELINES]
    assert len(names) == len(set(names)) == 38
    for published in ("whole period (RSR, StockMixer)", "before the split", "sampler", "chosen by", "padded"):
        assert any(published in name for name in names)


def test_a_planted_leak_is_found_and_the_market_without_it_is_not_accused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--prices", str(tmp_path / "none"), "--only", "panel: simulated", "shift"]) == 0
    out = capsys.readouterr().out
    assert "1 of 1 planted leaks found" in out and "0 alarms on 1 clean inputs" in out


@pytest.mark.slow
def test_all_leaks_are_found_and_nothing_clean_is_accused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "38 of 38 planted leaks found" in capsys.readouterr().out
