"""A training never begins with weights that have learned from days it scores, and an evaluation says so."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from atft.commands.train import build
from atft.errors import InputError
from atft.tasks.seen_days import check_unseen, seen_days, seen_lines

EARLIER = {
    "train": "[2015-01-05, 2015-01-23]",
    "val": "[2015-01-30, 2015-02-06]",
    "test": "[2015-02-13, 2015-02-27]",
}
K_FOLD = "{scheme: k_fold, n: 3, period: [2015-01-05, 2015-04-24], val_days: 10}"


def words_of(**periods: str) -> list[str]:
    return [word for name, dates in periods.items() for word in (f"--data.split.{name}", dates)]


@pytest.fixture(scope="module")
def fold(tiny_run: Any) -> Any:
    """Day data of the middle fold of three, which trains on both sides of the days that it scores."""
    words = ["--config", str(tiny_run.config), "--data.split.folds", K_FOLD, "--data.split.fold", "1"]
    data = build("fit", words).datamodule
    assert not data.split.causal
    return data


def days(train: str, val: str) -> dict[str, Any]:
    return {"days": {"train": train, "val": val}}


@pytest.mark.parametrize("key", ["--init_from", "--ckpt_path"])
def test_neither_new_nor_resumed_training_scores_days_that_its_first_weights_have_trained_on(
    key: str, tiny_run: Any, tmp_path: Path, atft: Any
) -> None:
    file = tiny_run.directory / "last.ckpt"
    words = ["--config", tiny_run.config, "--trainer.default_root_dir", tmp_path, "--trainer.max_epochs", 3]
    outcome = atft("fit", *words, *words_of(**EARLIER), key, file)
    assert outcome.error_line == (
        f"{file}: trained on days to 2015-02-18, this run scores days from 2015-01-30; train with its data.split"
    )
    assert not list(tmp_path.iterdir())


def test_an_evaluation_counts_the_days_that_are_no_forecasts(
    tiny_run: Any, tmp_path: Path, atft: Any
) -> None:
    line = "of {} days are no forecasts: the checkpoint has learned from them"
    own = [atft(command, *tiny_run.best) for command in ("test", "validate")]
    own.append(atft("predict", *tiny_run.best, "--out", tmp_path / "own.parquet"))
    assert all(outcome.code == 0 and "no forecasts" not in outcome.out for outcome in own), own
    moved = atft("test", *tiny_run.best, *words_of(**EARLIER))
    assert "4 " + line.format(11) in moved.out, moved
    moved = atft("validate", *tiny_run.best, *words_of(**EARLIER))
    assert "no forecasts" in moved.out, moved
    moved = atft("predict", *tiny_run.best, "--out", tmp_path / "moved.parquet", *words_of(**EARLIER))
    assert "no forecasts" in moved.out, moved


def test_a_label_that_reaches_the_scored_days_counts_as_seen(tiny_run: Any) -> None:
    data = build("fit", ["--config", str(tiny_run.config)]).datamodule
    dates, first = data.open_cache().manifest.dates, int(data.split.whole["val"][0])
    for back, fits in ((6, True), (5, False), (1, False)):
        entries = days(f"{dates[0]} {dates[first - back]}", f"{dates[first]} {dates[first]}")
        if fits:
            check_unseen(entries, "a.ckpt", data)
        else:
            line = f"trained on days to {dates[first - back]}, and their labels reach on, this run scores days from"
            with pytest.raises(InputError, match=line):
                check_unseen(entries, "a.ckpt", data)
    # Features have no label; later days than the panel has are seen all the same.
    check_unseen({"pretrained": {"until": dates[first - 1].isoformat()}}, "a.ckpt", data)
    with pytest.raises(InputError, match=r"^a.ckpt: pretrained on days to 2031-01-01, this run scores"):
        check_unseen({"pretrained": {"until": "2031-01-01"}}, "a.ckpt", data)


def test_days_that_selected_a_checkpoint_are_no_test_days(tiny_run: Any) -> None:
    data = build("fit", ["--config", str(tiny_run.config)]).datamodule
    dates, tested = data.open_cache().manifest.dates, data.split.whole["test"]
    check_unseen(days("2015-01-12 2015-01-30", f"2015-02-05 {dates[tested[0] - 1]}"), "a.ckpt", data)
    with pytest.raises(
        InputError, match=r"^a.ckpt: selected by days that this run tests; train with its data"
    ):
        check_unseen(days("2015-01-12 2015-01-30", f"2015-02-05 {dates[tested[0]]}"), "a.ckpt", data)


def test_a_fold_that_trains_on_later_days_takes_a_checkpoint_of_days_around_those_it_scores(
    fold: Any,
) -> None:
    dates, scored = (
        fold.open_cache().manifest.dates,
        sorted({*fold.split.whole["val"], *fold.split.whole["test"]}),
    )
    own = fold.fold_dates.texts()
    check_unseen({"fold": own}, "a.ckpt", fold)
    check_unseen({"fold": own, "pretrained": {"until": dates[-1].isoformat()}}, "a.ckpt", fold)
    other = {**own, "val": f"{dates[0]} {dates[1]}"}
    for entries in (
        {"fold": {**other, "train": f"{dates[scored[0]]} {dates[scored[0]]}"}},
        {"fold": {**other, "train": f"{dates[scored[0] - 5]} {dates[scored[0] - 5]}"}},
        {"fold": {**other, "train": f"{dates[scored[-1] + 5]} {dates[scored[-1] + 5]}"}},
        {"fold": {**other, "test": own["val"]}, "pretrained": {"until": dates[-1].isoformat()}},
        {"pretrained": {"until": dates[-1].isoformat()}},
    ):
        with pytest.raises(InputError, match=r"trained on days to .*this run scores days from"):
            check_unseen(entries, "a.ckpt", fold)
    far = f"{dates[scored[0] - 6]} {dates[scored[0] - 6]} {dates[scored[-1] + 6]} {dates[scored[-1] + 6]}"
    check_unseen({"fold": {**other, "train": far, "test": ""}}, "a.ckpt", fold)


def test_the_last_stretch_that_a_checkpoint_has_trained_on_decides(tiny_run: Any, fold: Any) -> None:
    data = build("fit", ["--config", str(tiny_run.config)]).datamodule
    dates, first = data.open_cache().manifest.dates, int(data.split.whole["val"][0])
    early = f"{dates[0]} {dates[1]}"
    entries = {**fold.fold_dates.texts(), "val": early, "test": ""}
    check_unseen({"fold": {**entries, "train": early}}, "a.ckpt", data)
    with pytest.raises(InputError, match=f"^a.ckpt: trained on days to {dates[first]}, this run scores days"):
        check_unseen({"fold": {**entries, "train": f"{early} {dates[first]} {dates[first]}"}}, "a.ckpt", data)


def test_days_that_trained_or_selected_a_checkpoint_are_no_forecasts_and_validation_may_have_selected() -> (
    None
):
    entries = days("2020-01-06 2020-01-10", "2020-01-20 2020-01-24")
    scored = [date(2020, 1, day) for day in (3, 6, 10, 13, 17, 20, 24, 27)]
    line = "{} of 8 days are no forecasts: the checkpoint has learned from them"
    assert seen_lines(entries, "a.ckpt", scored) == [line.format(4)]
    assert seen_lines(entries, "a.ckpt", scored, selects=True) == [line.format(2)]
    assert seen_lines(entries, "a.ckpt", [scored[0], scored[-1]]) == []


def test_what_carries_no_dates_is_not_checked_and_damaged_dates_are_an_error(fold: Any) -> None:
    assert seen_days({}, "a.ckpt") is None and seen_lines({}, "a.ckpt", [date(2015, 1, 5)]) == []
    assert seen_days({"pretrained": {"heads": ""}}, "a.ckpt") is None
    check_unseen({}, "a.ckpt", fold)
    for entries in (days("2015-01-05", ""), days("2015-01-05 2015-99-01", ""), {"fold": {"fold": "0"}}):
        with pytest.raises(InputError, match=r"^a.ckpt: its training days are no dates \("):
            check_unseen(entries, "a.ckpt", fold)
