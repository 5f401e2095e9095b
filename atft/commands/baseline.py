"""baseline: fit ridge, LightGBM or a perceptron on the panel, days and features of a config; score its later days.

The file it writes is the one that ``fit`` writes, so whatever reads a run's scores reads these. Rows, ranked
features, splits and folds are the network's, from one cache; training stops by the same validation days.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.commands.arguments import check_read, read_count, take_options
from atft.commands.train import build
from atft.errors import InputError, clip, listed, nearest
from atft.process.progress import track

if TYPE_CHECKING:
    from atft.baselines.stock_days import Baseline
    from atft.commands.ranking_cli import RankingCLI
    from atft.tasks.day_data import DayData


def run(command: str, arguments: list[str]) -> int:
    """Fit one model a horizon and seed, write the files of the run, and print the table of the test days."""
    from atft.tasks.baseline_scores import BASELINES

    taken, rest = take_options(arguments, "--model", "--seeds")
    options = dict(taken)
    if "--help-all" in rest:
        build(command, rest)  # prints it and ends
    model, count = options.get("model", ""), read_count("--seeds", options.get("seeds", "1"))
    if model not in BASELINES:
        came = f"got {clip(model, 40)!r}{nearest(model, BASELINES)}" if model else "and has no default"
        raise InputError(f"--model takes {listed(BASELINES)}, {came}")
    if model == "ridge" and count > 1:
        raise InputError("ridge draws nothing at random, all seeds would be alike; leave --seeds out")
    if model != "lightgbm":
        # A config's own lightgbm keys are of the table that ends a fit, a word of the command is of this model.
        check_read(rest, ["--lightgbm"], f"--model {model}")
    cli = build(command, rest, quiet=True)
    first = cli.datamodule.seed
    return fit_and_compare(cli, model, list(range(first, first + count)))


def fit_and_compare(cli: "RankingCLI", model: Any, seeds: Sequence[int]) -> int:
    """Fit, write predictions.parquet, config.yaml, comparison.txt and baseline.json in a new version, and print."""
    from atft.baselines.lightgbm import Trees
    from atft.callbacks.record.receipt import code_digest, library_versions
    from atft.commands.after_fit import days_title, named_metrics
    from atft.evaluation.predictions import PREDICTIONS
    from atft.files.digest import text_digest
    from atft.files.publish import publish_json, publish_text
    from atft.process.optional import load_optional
    from atft.runs.comparison import comparison_text, measure_baseline
    from atft.runs.run_directory import make_version, next_version
    from atft.tasks.baseline_scores import PACKAGES, fit_baseline
    from atft.tasks.kept_trees import keep_trees

    versions = library_versions()
    if model in PACKAGES:
        package = load_optional(PACKAGES[model].partition(".")[0], "baselines")
        versions[package.__name__] = package.__version__
    data, started = cli.datamodule, time.perf_counter()
    data.predict_dates = None  # every day from validation on, or of the fold
    data.prepare_training()
    directory = make_version(next_version(cli.run_root.with_name(f"{cli.config.name}_{model}")))
    publish_text(directory / "config.yaml", cli.config_text)
    for line in data.lines_of("train"):
        print(line)  # noqa: T201
    fitted = {seed: fit_baseline(model, data, seed, cli.tree_options) for seed in seeds}
    fitting = time.perf_counter() - started
    digests = {"config": text_digest(cli.config_text), "run": directory.parent.name}
    trees_of = {seed: one for seed, one in fitted.items() if isinstance(one, Trees)}
    if trees_of:
        keep_trees(directory, trees_of, data)
    path = write_baseline(directory / PREDICTIONS, data, fitted, digests)
    split = "test" if len(data.split.test) else "val"
    compared = measure_baseline(path, split, model, seeds, data, cli.model.metrics)
    text = comparison_text(compared, days_title(data, split), data.split.min_stocks, cli.model.metrics)
    print(text)  # noqa: T201
    publish_text(directory / "comparison.txt", text + "\n")
    facts = {
        "model": model,
        "horizons": data.horizons,
        "fits": {str(seed): baseline.facts() for seed, baseline in fitted.items()},
        "fold": data.split_options.fold,
        "metrics": named_metrics(compared.rows, split, model),
        "seconds": {"fitting": round(fitting, 3), "total": round(time.perf_counter() - started, 3)},
        "digests": {**digests, "data": data.digest, "code": code_digest()},
        "versions": versions,
    }
    publish_json(directory / "baseline.json", facts)
    print(f"\neverything about the baseline: {directory}")  # noqa: T201
    return 0


def write_baseline(
    path: Path, data: "DayData", fitted: dict[int, "Baseline"], digests: dict[str, str]
) -> Path:
    """Score the days that a run of ``fit`` scores, with each seed's model, into one predictions file."""
    from atft.callbacks.record.prediction_writer import day_rows
    from atft.data.day_features import day_features
    from atft.evaluation.predictions import FILE_FORMAT
    from atft.files.parquet import table_file

    cache = data.open_cache()
    metadata = {f"atft.{k}": v for k, v in digests.items()} | {"atft.data": cache.manifest.digest}
    with table_file(path, **FILE_FORMAT) as append:
        for day in track(data.predict_days().tolist(), "scoring days"):
            stocks = cache.day(day).ranked
            if not len(stocks):
                continue
            split = data.split_of(cache.manifest.dates[day])
            features = day_features(cache, day, stocks, next(iter(fitted.values())).market_columns)
            for seed, baseline in fitted.items():
                of_day: dict[str, Any] = {"split": split, **data.run_columns(), "seed": seed}
                rows = day_rows(cache, day, stocks, baseline.score(features), **of_day)
                append(rows.replace_schema_metadata(metadata), None)
    return path
