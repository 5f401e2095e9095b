"""The ladder of a market: RankICs on common rows, blends, stacks, and commands that make nothing twice."""

import csv
import json
import shlex
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atft.errors import InputError
from atft.evaluation.newey_west import mean_error
from atft.evaluation.predictions import prediction_rows
from atft.files.parquet import table_file
from benchmarks import ladder_rungs, market_ladder
from benchmarks.ladder_rungs import Maker, made_rungs, read_ladder
from benchmarks.ladder_scores import LadderDays, ladder_days, stack_weights
from benchmarks.market_ladder import RUNGS, main, read_options

HORIZONS, STOCKS, FOLD_DAYS, FOLDS = (1, 5), 30, 40, 2
CODES = [f"s{stock:02d}" for stock in range(STOCKS)]


def target_of(day: int) -> Any:
    return np.random.default_rng(day).standard_normal((STOCKS, len(HORIZONS))).astype(np.float32)


def score_of(day: int, seed: int, noise: float) -> Any:
    return target_of(day) + noise * np.random.default_rng((day, seed, int(noise))).standard_normal(
        (STOCKS, len(HORIZONS))
    )


def write(path: Path, noise: float, seeds: Sequence[int] = (1,), drop: int = 0) -> Path:
    """Scores of two folds: 20 validation days before each fold's test days, without the first ``drop`` stocks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with table_file(path) as append:
        for fold in range(FOLDS):
            for day in range(FOLD_DAYS * (fold + 1) - 20, FOLD_DAYS * (fold + 2)):
                split = "test" if day >= FOLD_DAYS * (fold + 1) else "val"
                for seed in seeds:
                    target = target_of(day)
                    by_horizon = {
                        "score": score_of(day, seed + 10 * fold, noise)[drop:],
                        "target": target[drop:],
                        "target_lag1": -target[drop:],
                    }
                    of_rows: dict[str, Any] = {"split": split, "fold": fold, "seed": seed}
                    rows = prediction_rows(
                        date(2020, 1, 1) + timedelta(days=day), CODES[drop:], HORIZONS, by_horizon, **of_rows
                    )
                    append(rows, None)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ladder of ready files, one a network of two seeds that lacks a stock."""
    folder = tmp_path_factory.mktemp("ladder")
    write(folder / "trees.parquet", 3.0)
    write(folder / "network.parquet", 2.0, (1, 2), drop=1)
    lines = [
        "reference: trees",
        "mean: [1, 5]",
        "rungs:",
        f"  trees: {folder / 'trees.parquet'}",
        f"  network: {folder / 'network.parquet'}",
        "  blend: {blend: [network, trees]}",
        "  stack: {stack: [network, trees]}",
    ]
    (folder / "ladder.yaml").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def days(folder: Path) -> LadderDays:
    ladder = read_ladder(folder / "ladder.yaml")
    maker = Maker(folder)
    return ladder_days(ladder, {n: maker.parts(r) for n, r in ladder.rungs.items() if not r.members})


def ranks(values: Any) -> Any:
    from scipy.stats import rankdata

    return (rankdata(values) - 0.5) / len(values)


def test_rank_ics_are_those_of_scipy_on_the_rows_that_all_rungs_have(days: LadderDays) -> None:
    from scipy.stats import spearmanr

    assert days.stocks == STOCKS - 1 and days.left_out["network"] == len(days.dates) * len(HORIZONS)
    assert days.fold.tolist() == [0] * FOLD_DAYS + [1] * FOLD_DAYS
    for place in (0, FOLD_DAYS - 1, FOLD_DAYS):
        day, fold = FOLD_DAYS + place, int(days.fold[place])
        assert str(days.dates[place]) == str(date(2020, 1, 1) + timedelta(days=day))
        for h in range(len(HORIZONS)):
            target = target_of(day)[1:, h]
            trees = np.float32(score_of(day, 1 + 10 * fold, 3.0)[1:, h])
            seeds = [np.float32(score_of(day, s + 10 * fold, 2.0)[1:, h]) for s in (1, 2)]
            network = ranks(seeds[0]) + ranks(seeds[1])
            expected = {
                "trees": trees,
                "network": network,
                "blend": ranks(trees) + ranks(np.round(network, 9)),
            }
            for name, score in expected.items():
                rank_ic = spearmanr(np.round(score, 6), target).statistic
                assert days.rank_ic[name][0, h, place] == pytest.approx(rank_ic, abs=1e-6), name
                assert days.rank_ic[name][1, h, place] == pytest.approx(-rank_ic, abs=1e-6)
            single = spearmanr(seeds[1], target).statistic
            assert days.seeds["network"][2][0, h, place] == pytest.approx(single, abs=1e-6)


def test_a_stack_is_the_ridge_of_ranks_on_the_validation_days(days: LadderDays) -> None:
    from scipy.stats import spearmanr
    from sklearn.linear_model import Ridge

    fold, h = 1, 0
    columns, labels = [], []
    for day in range(FOLD_DAYS * 2 - 20, FOLD_DAYS * 2):
        score = [score_of(day, s + 10 * fold, n)[1:, h] for s, n in ((1, 2.0), (2, 2.0), (1, 3.0))]
        network = np.round(ranks(score[0]) + ranks(score[1]), 9)
        columns.append(np.stack([ranks(network), ranks(score[2])], axis=1) - 0.5)
        labels.append(ranks(target_of(day)[1:, h]) - 0.5)
    x, y = np.sqrt(12) * np.concatenate(columns), np.sqrt(12) * np.concatenate(labels)
    direct = Ridge(alpha=1e-3 * len(x), fit_intercept=False).fit(x, y)
    place, day = FOLD_DAYS, FOLD_DAYS * 2
    score = [score_of(day, s + 10 * fold, n)[1:, h] for s, n in ((1, 2.0), (2, 2.0), (1, 3.0))]
    network = np.round(ranks(score[0]) + ranks(score[1]), 9)
    stacked = direct.predict(np.stack([ranks(network), ranks(score[2])], axis=1) - 0.5)
    rank_ic = spearmanr(stacked, target_of(day)[1:, h]).statistic
    assert days.rank_ic["stack"][0, h, place] == pytest.approx(rank_ic, abs=2e-3)
    assert len(days.weights["stack"]) == FOLDS and all(w[0] > w[1] > 0 for w in days.weights["stack"])


def test_a_stack_without_a_known_row_has_no_weights() -> None:
    empty = np.full((1, 2, 3), np.nan, np.float32)
    assert stack_weights([empty, empty], empty).tolist() == [[0.0, 0.0]]


def test_the_tables_files_and_picture_have_paired_differences_with_newey_west_errors(
    folder: Path, days: LadderDays, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--ladder", str(folder / "ladder.yaml"), "--out", str(folder / "out")]) == 0
    printed = capsys.readouterr().out
    text = (folder / "out" / "ladder.txt").read_text()
    assert text in printed and "network: 160 rows that trees has are not scored" in text
    with (folder / "out" / "ladder.csv").open() as file:
        rows = {(r["rung"], r["horizon"], r["lag"], r["fold"]): r for r in csv.DictReader(file)}
    difference = (days.rank_ic["network"][0] - days.rank_ic["trees"][0]).mean(axis=0)
    for fold, of in (("all", slice(None)), ("1", slice(FOLD_DAYS, None))):
        row, error = rows["network", "mean", "0", fold], mean_error(difference[of], 4)
        assert float(row["difference"]) == pytest.approx(difference[of].mean())
        assert float(row["difference_error"]) == pytest.approx(error)
        assert float(row["t"]) == pytest.approx(difference[of].mean() / error)
    assert rows["trees", "mean", "0", "all"]["t"] == "" and rows["network", "5", "1", "all"]["seeds"] == "2"
    found = json.loads((folder / "out" / "ladder.json").read_text())
    assert found["reference"] == "trees" and list(found["rungs"]) == ["trees", "network", "blend", "stack"]
    assert len(found["figures"]) == len(rows) == 4 * 3 * 2 * 3
    svg = (folder / "out" / "ladder.svg").read_text()
    assert svg.startswith("<svg ") and "var(--score)" in svg and all(f">{n}<" in svg for n in found["rungs"])


def test_one_fold_and_some_rungs_are_measured_where_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--ladder", str(folder / "ladder.yaml"), "--out", str(folder / "part")]
    assert main([*words, "--folds", "1", "--only", "network"]) == 0
    out = capsys.readouterr().out
    assert "RankIC on 40 test days" in out and "blend" not in out
    assert main([*words, "--folds", "7"]) == 2 and "no fold 7; it has [0, 1]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rungs: {a: {modle: ridge}}", "no key 'modle'; did you mean 'model'?"),
        ("rungs: {a: {model: ridge, blend: [b, c]}}", "it is model and blend; keep one"),
        ("rungs: {a: {model: ridg}}", "model takes lightgbm, mlp, ridge, got 'ridg'"),
        ("rungs: {a: x.parquet, b: {blend: [a, c]}}", "blend needs a rung before it"),
        ("rungs: {a: x.parquet, b: {stack: [a]}}", "stack needs at least two rungs"),
        ("{reference: b, rungs: {a: x.parquet}}", "reference 'b' must be a trained rung or a file"),
        ("{reference: a b, rungs: {a b: x.parquet, a_b: y.parquet}}", "have the folder a_b; rename it"),
    ],
)
def test_a_wrong_ladder_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "ladder.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_ladder(path)
    assert message in str(error.value) and "\n" not in str(error.value)


class Programs:
    """Stands in for the commands: writes what they would leave, and keeps their words."""

    def __init__(self) -> None:
        self.words: list[list[str]] = []

    def run(self, *words: Any) -> None:
        texts = [str(word) for word in words]
        self.words.append(texts)
        value = dict(pairwise(texts))
        root = Path(value["--trainer.default_root_dir"])
        if words[0] == "crossval":
            directory = root / "run_crossval" / "version_0"
            write(directory / "fold_0_seed_1" / "version_0" / "predictions.parquet", 2.0)
            (directory / "crossval.json").write_text("{}")
            runs = [{"fold": 0, "seed": 1, "directory": "fold_0_seed_1/version_0"}]
            (directory / "folds.json").write_text(json.dumps({"runs": runs}))
        else:
            directory = root / f"{value['--name']}_{value['--model']}" / "version_0"
            write(directory / "predictions.parquet", 3.0)
            (directory / "baseline.json").write_text("{}")


def test_what_is_missing_is_made_once_and_other_keys_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = Programs()
    monkeypatch.setattr(ladder_rungs, "run_atft", programs.run)
    monkeypatch.setattr(Maker, "_fold_runs", lambda self, rung: [(0, 1)])
    path = tmp_path / "ladder.yaml"
    text = "config: quickstart\nreference: trees\nrungs:\n"
    text += "  trees: {model: lightgbm, keys: {lightgbm.num_leaves: 31}}\n"
    text += "  no graph: {keys: {data.graph: null}}\n  blend: {blend: [trees, no graph]}\n"
    path.write_text(text)
    maker, ladder = Maker(tmp_path / "out", further=("--threads", "1")), read_ladder(path)
    left_out = dict(made_rungs(maker, ladder, train=False))
    assert list(left_out) == ["trees", "no graph", "blend"] and not programs.words
    assert dict(made_rungs(maker, ladder, train=True)) == {} == dict(made_rungs(maker, ladder, train=True))
    assert [words[0] for words in programs.words] == ["baseline", "crossval"]
    assert ("--lightgbm.num_leaves", "31") in pairwise(programs.words[0])
    assert ("--data.graph", "null") in pairwise(programs.words[1])
    assert maker.parts(ladder.rungs["no graph"])[0].path.is_file()
    path.write_text(text.replace("31", "15"))
    with pytest.raises(InputError, match="made with another keys; rename rung 'trees'"):
        list(made_rungs(maker, read_ladder(path), train=True))


def test_the_commands_of_its_head_name_rungs_of_the_ladder_that_comes_with_it() -> None:
    commands = [line for line in str(market_ladder.__doc__).splitlines() if "--only" in line]
    for command in commands:
        named = read_options(shlex.split(command)[3:]).only
        assert set(named) <= set(read_ladder(RUNGS).only(named).rungs)
    assert commands


def test_the_ladder_that_comes_with_it_can_be_read() -> None:
    ladder = read_ladder(RUNGS, seeds=3)
    assert ladder.rungs["network"].seeds == 3 and ladder.rungs["ridge"].seeds == 1
    assert list(ladder.only(["stack"]).rungs) == ["LightGBM", "network", "stack"]
