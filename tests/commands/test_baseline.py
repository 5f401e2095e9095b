"""A baseline writes the file that a fit writes, on its rows, and prints its table."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

from atft.baselines.tree_files import read_trees
from atft.evaluation.predictions import check_predictions

pytest.importorskip("lightgbm", reason="lightgbm is not installed")


class Fitted(NamedTuple):
    """A finished baseline of two seeds on the small panel, which tests read and do not change."""

    directory: Path
    printed: Any


@pytest.fixture(scope="module")
def fitted(tiny_run: Any, atft: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = tmp_path_factory.mktemp("baseline")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("atft.baselines.lightgbm.MAX_TREES", 10)
        words = ["--config", tiny_run.config, "--trainer.default_root_dir", folder, "--seeds", "2"]
        words += ["--lightgbm.lambda_l2=2", "--lightgbm.num_leaves", "15"]
        printed = atft("baseline", "--model", "lightgbm", *words)
    assert printed.code == 0, printed
    return Fitted(folder / "tiny_lightgbm" / "version_0", printed)


def test_each_seed_has_the_rows_columns_and_splits_of_a_fit_on_the_same_config(
    fitted: Fitted, tiny_run: Any
) -> None:
    path = fitted.directory / "predictions.parquet"
    network = pl.read_parquet(tiny_run.directory / "predictions.parquet")
    assert check_predictions(path) == check_predictions(tiny_run.directory / "predictions.parquet")
    every = pl.read_parquet(path)
    assert every["seed"].unique().sort().to_list() == [3, 4]
    scores = []
    for seed in (3, 4):
        rows = every.filter(seed=seed)
        assert rows.drop("score", "seed").equals(network.drop("score", "seed"))
        assert rows["score"].is_finite().all()
        scores.append(rows["score"].to_numpy())
    assert not np.array_equal(*scores)


def test_the_table_has_the_rank_mean_of_the_seeds_each_seed_and_ridge(fitted: Fitted) -> None:
    for scorer in ("lightgbm", "seed 3", "seed 4", "ridge", "reversal", "random 95 %"):
        assert len(re.findall(rf"^{scorer} +\dd ", fitted.printed.out, re.M)) == 2, scorer
    assert (fitted.directory / "comparison.txt").read_text().strip() in fitted.printed.out


def test_the_receipt_has_settings_trees_seeds_versions_and_the_digests_of_the_run(
    fitted: Fitted, tiny_run: Any
) -> None:
    receipt = json.loads((fitted.directory / "baseline.json").read_text())
    settings = receipt["fits"]["3"]["settings"]
    assert list(receipt["fits"]) == ["3", "4"] and settings["learning_rate"] == 0.05
    assert settings["num_leaves"] == 15 and settings["lambda_l2"] == 2
    assert len(receipt["fits"]["4"]["trees"]) == 2 and receipt["seconds"]["total"] > 0
    assert receipt["digests"]["data"] == tiny_run.cache.name
    assert {"lightgbm", "torch", "atft"} <= set(receipt["versions"])
    assert "test/rank_ic_5d" in receipt["metrics"]
    assert (fitted.directory / "config.yaml").is_file()


def test_the_trees_of_each_seed_are_kept(fitted: Fitted) -> None:
    record, read = read_trees(fitted.directory)
    assert list(read) == [3, 4] and record.horizons == (1, 5)
    receipt = json.loads((fitted.directory / "baseline.json").read_text())
    for seed, trees in read.items():
        assert [b.num_trees() for b in trees.boosters] == receipt["fits"][str(seed)]["trees"]


def test_the_table_of_fit_has_the_trees_that_the_config_sets_as_the_command_has(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "trees.yaml"
    path.write_text("lightgbm: {trees: 3, num_leaves: 4}\nbaselines: [lightgbm]\ntrainer: {max_epochs: 1}\n")
    words = ["--config", tiny_run.config, "--config", path, "--trainer.default_root_dir", tmp_path]
    of_fit, of_command, usual = (
        re.findall(r"^lightgbm +\dd .*$", atft(*command, *words, *more).out, re.M)
        for command, more in (
            (["fit"], []),
            (["baseline", "--model", "lightgbm"], []),
            (["baseline", "--model", "lightgbm"], ["--lightgbm.trees", "40"]),
        )
    )
    assert len(of_fit) == 2 and of_fit == of_command and of_command != usual


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--model takes lightgbm, mlp, ridge, and has no default"),
        (
            ("--model", "lightgmb"),
            "--model takes lightgbm, mlp, ridge, got 'lightgmb'; did you mean 'lightgbm'?",
        ),
        (("--model", "mlp", "--seeds", "0"), "--seeds takes a whole number from 1 to 1000, got '0'"),
        (("--model=ridge", "--seeds=2"), "all seeds would be alike; leave --seeds out"),
        (
            ("--model=lightgbm", "--config=quickstart", "--lightgbm.num_leafs", "3"),
            "'lightgbm.num_leafs'; did you mean 'lightgbm.num_leaves'?",
        ),
        (
            ("--model=lightgbm", "--config=quickstart", "--lightgbm.num_leaves", "1"),
            "lightgbm.num_leaves is out of range, got 1",
        ),
        (
            ("--model=ridge", "--config=quickstart", "--lightgbm.trees=10"),
            "--lightgbm.trees is not read by --model ridge; leave it out",
        ),
        (
            ("--model", "ridge"),
            "baseline needs --config FILE, such as --config quickstart, or --prices PATH, or --",
        ),
        (("--model.horizons", "[5]"), "--model takes lightgbm, mlp, ridge, and has no default"),
        (("--model", "ridge", "--model.horizon", "[5]", "--config", "quickstart"), "'model.horizons'"),
    ],
)
def test_wrong_words_are_one_line(words: tuple[str, ...], message: str, atft: Callable[..., Any]) -> None:
    assert message in atft("baseline", *words).error_line
