"""Settings of LightGBM on the development folds of a real market, each minus the default, paired over days.

    python -m benchmarks.lightgbm_sweep --data.panel.path panels/nasdaq.parquet
    python -m benchmarks.lightgbm_sweep --data.panel.path panels/nasdaq.parquet --only 'leaves 63' huber --folds 3 4

The features of a fold are read and put into bins once for all settings, then each is fitted, and its validation and
test days are scored: a predictions file for each setting, fold and seed. What is there is not made again. In memory
are the bins, a byte a feature and row, and the features of the scored days.

Prints the tables of `benchmarks/market_ladder.py`, and writes ``sweep.txt``, ``sweep.csv`` and ``sweep.json`` into
``--out``. The folder of a setting may be a rung of the ladder: ``best: benchmark_lightgbm/leaves_63``. Further keys
are those of ``baseline``.
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from atft.errors import InputError, nearest
from atft.process.cores import core_count
from atft.process.threads import cap_threads

if TYPE_CHECKING:
    from atft.baselines.lightgbm import BinnedDays, Trees
    from atft.baselines.tree_options import TreeOptions
    from atft.tasks.day_data import DayData
    from benchmarks.ladder_rungs import Part

GRID = Path(__file__).with_suffix(".yaml")
PERIOD = ["2010-01-01", "2014-12-31"]
DEFAULT = "default"
COLUMNS = ("date", "code", "horizon", "score", "target", "target_lag1", "split", "fold", "seed")


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--config", default="nasdaq", help="whose features, rows and split are taken")
    parser.add_argument("--grid", type=Path, default=GRID, help="YAML file of the settings, by name")
    parser.add_argument("--out", type=Path, default=Path("benchmark_lightgbm"), help="folder of all files")
    parser.add_argument(
        "--only", nargs="+", default=[], help="names of settings; the default comes with them"
    )
    parser.add_argument("--folds", type=int, nargs="+", default=[], help="numbers of the folds")
    parser.add_argument("--seeds", type=int, default=1, help="of each setting, whose ranks are averaged")
    parser.add_argument("--mean", type=int, nargs="+", default=[1, 5, 20], help="horizons of the mean")
    parser.add_argument("--threads", type=int, help="of LightGBM; by default the cores")
    options, options.keys = parser.parse_known_args(arguments)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit what is missing, measure all settings, print and write."""
    options = read_options(arguments)
    cap_threads(options.threads or core_count())
    try:
        sweep(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def read_grid(path: Path, names: Sequence[str] = ()) -> "dict[str, TreeOptions]":
    """Read the settings by name, or some of them and the default; raises InputError where one cannot be used."""
    from atft.baselines.tree_options import TreeOptions
    from atft.files.yaml_text import read_mapping

    known = TreeOptions.__dataclass_fields__
    grid: dict[str, Any] = {DEFAULT: {}, **read_mapping(path)}
    for name in names:
        if name not in grid:
            raise InputError(f"--only: no setting is called {name!r}{nearest(name, grid)}")
    settings = {}
    for name, values in grid.items():
        for key in values:
            if key not in known:
                raise InputError(f"{path}: {name!r} has no setting {key!r}{nearest(str(key), known)}")
        if not names or name in (DEFAULT, *names):
            settings[name] = TreeOptions(**values)
    return settings


class Place(NamedTuple):
    """Where the predictions of a setting, fold and seed are."""

    folder: Path
    name: str
    fold: int
    seed: int

    @property
    def predictions(self) -> Path:
        """Its validation and test rows."""
        folder = self.folder / self.name.replace(" ", "_")
        return folder / f"fold_{self.fold}_seed_{self.seed}.parquet"

    @property
    def receipt(self) -> Path:
        """Its settings, trees and seconds; written last."""
        return self.predictions.with_suffix(".json")

    def is_there(self, options: "TreeOptions") -> bool:
        """Whether it has been made; raises InputError where it was made with other settings."""
        if not self.receipt.exists():
            return False
        from atft.baselines.tree_options import TreeOptions

        # An option that is newer than the file had its default.
        made = asdict(TreeOptions()) | json.loads(self.receipt.read_text())["options"]
        if made != asdict(options):
            raise InputError(
                f"{self.receipt}: made with other settings; rename {self.name!r} or remove the file"
            )
        return True


def sweep(options: argparse.Namespace) -> None:
    """Fit every setting on every fold, and write the tables."""
    from atft.commands.train import build
    from benchmarks.ladder_rungs import Part

    grid = read_grid(options.grid, options.only)
    words = ["--config", options.config, "--data.split.folds.period", json.dumps(PERIOD), *options.keys]
    data = build("baseline", words, quiet=True).datamodule
    count = data.fold_count()
    for fold in options.folds:
        if not 0 <= fold < count:
            raise InputError(f"--folds: no fold {fold}, there are {count}")
    folds, seeds = options.folds or list(range(count)), range(data.seed, data.seed + options.seeds)
    parts: dict[str, list[Part]] = {name: [] for name in grid}
    for fold in folds:
        places = [Place(options.out, name, fold, seed) for seed in seeds for name in grid]
        missing = [place for place in places if not place.is_there(grid[place.name])]
        if missing:
            data = build("baseline", [*words, "--data.split.fold", str(fold)], quiet=True).datamodule
            fit_fold(data, missing, grid, options.threads or core_count())
        for place in places:
            parts[place.name].append(Part(fold, place.seed, place.predictions))
    write_tables(options, grid, parts)


def fit_fold(
    data: "DayData", places: Sequence[Place], grid: "Mapping[str, TreeOptions]", threads: int
) -> None:
    """Read a fold once, then fit, score and write each setting and seed."""
    from atft.baselines.lightgbm import FIXED, bin_days, fit_binned
    from atft.files.publish import publish_json
    from atft.tasks.baseline_scores import stock_days

    data.prepare_training()
    # Without the filter, bins are those of leaves of any size.
    of_bins = {**FIXED, "seed": data.seed, "feature_pre_filter": False}
    market = None
    for place in sorted(places, key=lambda place: grid[place.name].market_columns):
        if market != grid[place.name].market_columns:
            market = grid[place.name].market_columns
            train, val = (stock_days(data, days, market) for days in (data.split.train, data.split.val))
            binned: BinnedDays = bin_days(train, val, of_bins, threads)
            features = scored_features(data, market)
        started = time.perf_counter()
        trees = fit_binned(binned, grid[place.name], threads, place.seed)
        fitting = time.perf_counter() - started
        write_scores(place, data, trees, features)
        seconds = {"fitting": round(fitting, 1), "total": round(time.perf_counter() - started, 1)}
        facts = {
            "options": asdict(grid[place.name]),
            **trees.facts(),
            "seconds": seconds,
            "data": data.digest,
        }
        publish_json(place.receipt, facts)
        print(
            f"fold {place.fold} seed {place.seed}  {place.name:<20} trees {facts['trees']}, {fitting:.0f} s",
            flush=True,
        )
    del binned, features
    gc.collect()


def scored_features(data: "DayData", market_columns: bool) -> "dict[int, tuple[Any, Any]]":
    """Day -> its stocks, and their features ``[stocks, features]``, of the validation and test days."""
    from atft.data.day_features import day_features

    cache, by_day = data.open_cache(), {}
    for day in data.predict_days().tolist():
        stocks = cache.day(day).ranked
        if len(stocks):
            by_day[day] = stocks, day_features(cache, day, stocks, market_columns)
    return by_day


def write_scores(
    place: Place, data: "DayData", trees: "Trees", features: "Mapping[int, tuple[Any, Any]]"
) -> None:
    """Score the days, and write the columns of a predictions file that a comparison reads."""
    from atft.callbacks.record.prediction_writer import day_rows
    from atft.evaluation.predictions import FILE_FORMAT
    from atft.files.parquet import table_file

    cache = data.open_cache()
    place.predictions.parent.mkdir(parents=True, exist_ok=True)
    with table_file(place.predictions, **FILE_FORMAT) as append:
        for day, (stocks, of_day) in features.items():
            said: dict[str, Any] = {"split": data.split_of(cache.manifest.dates[day]), **data.run_columns()}
            rows = day_rows(cache, day, stocks, trees.score(of_day), **(said | {"seed": place.seed}))
            append(rows.select([name for name in COLUMNS if name in rows.column_names]), None)


def write_tables(
    options: argparse.Namespace, grid: "Mapping[str, TreeOptions]", parts: "Mapping[str, Sequence[Part]]"
) -> None:
    """Print the tables of all settings, and write them with the figures."""
    from atft.files.publish import publish_json, publish_text
    from benchmarks.ladder_figures import figures_csv, figures_text, ladder_figures
    from benchmarks.ladder_rungs import Ladder, Rung
    from benchmarks.ladder_scores import ladder_days

    rungs = {name: Rung(name=name, file=parts[name][0].path) for name in grid}
    ladder = Ladder(rungs, DEFAULT, tuple(options.mean))
    days = ladder_days(ladder, parts)
    figures = ladder_figures(ladder, days)
    text = figures_text(figures, ladder, days)
    print(f"\n{text}")
    settings = {name: asdict(of_name) for name, of_name in grid.items()}
    publish_text(options.out / "sweep.txt", text + "\n")
    publish_text(options.out / "sweep.csv", figures_csv(figures))
    publish_json(options.out / "sweep.json", {"settings": settings, "figures": [asdict(f) for f in figures]})
    print(f"\nsweep.txt, .csv and .json in {options.out}")


if __name__ == "__main__":
    sys.exit(main())
