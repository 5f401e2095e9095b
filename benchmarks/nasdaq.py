"""The benchmark of a real market, from prices to a table with intervals and controls; one command, resumable.

    python benchmarks/nasdaq.py --prices nasdaq_prices.parquet --scale small      a few minutes, for choosing
    python benchmarks/nasdaq.py --prices nasdaq_prices.parquet --seeds 3          development folds, 2010 to 2014
    python benchmarks/nasdaq.py --prices nasdaq_prices.parquet --test             the test years, once a release
    python benchmarks/nasdaq.py --prices nasdaq_prices.parquet --tickers nasdaq_1026_tickers.txt

Everything is chosen on the development folds: walk-forward, a year each, trained on all days before. ``--test``
trains on the plain split of the config and scores its test days; each such look is a line of
``benchmarks/nasdaq_test_looks.csv``, and the command says how many there were. Any market's prices of the same
schema and any config with test days after 2014 will do.

``--tickers`` is the protocol of the older literature (Feng et al. 2019 and after): a list of stocks that still
traded at the end, lookback 16, 756 / 252 / 237 days, next-day returns. It is scaled by the past alone. Published
figures stand below the table, and what their leak gives by itself: prices over the maximum of the whole period.

The steps are commands that can be typed, and are printed; what is there is not made again. Further keys go to the
network and to the baselines: ``--trainer.max_epochs 2``.
"""

import argparse
import csv
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

import atft
from atft.files.publish import published

ROOT = Path(__file__).resolve().parent.parent
LOOKS = Path(__file__).with_name("nasdaq_test_looks.csv")
MODELS = ("ridge", "lightgbm")
DEVELOPMENT = ["2010-01-01", "2014-12-31"]
SMALL = {
    "stocks": 300,
    "period": ["2010-01-01", "2011-12-31"],
    "keys": ["--trainer.max_epochs", "2", "--data.cache.min_date", "2006-01-01"],
}
"""``--scale small``: the stocks with the most traded value before the first scored day, two folds, two epochs."""
FENG = {
    "train": ["2013-01-02", "2015-12-31"],
    "val": ["2016-01-04", "2016-12-30"],
    "test": ["2017-01-03", "2017-12-08"],
    "embargo_days": 0,
}
"""756, 252 and 237 trading days of NASDAQ."""
PUBLISHED = {  # IC, precision@10, Sharpe of the ten best: Fan and Shen (2024), StockMixer, table 2, NASDAQ
    "LSTM": (0.032, 0.514, 0.892),
    "RSR-I": (0.038, 0.531, 1.238),
    "STHAN-SR": (0.039, 0.543, 1.416),
    "StockMixer": (0.043, 0.545, 1.465),
}


def run_atft(*words: Any) -> None:
    """Run ``python -m atft`` and show the command; its failure ends the benchmark, and the next call goes on."""
    print(f"\n$ python -m atft {' '.join(map(str, words))}", flush=True)
    done = subprocess.run([sys.executable, "-m", "atft", *map(str, words)], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--prices", type=Path, required=True, help="daily prices, as for atft features")
    parser.add_argument("--config", default=str(ROOT / "configs" / "nasdaq.yaml"), help="of the network")
    parser.add_argument("--out", type=Path, default=Path("benchmark_nasdaq"), help="folder of all files")
    parser.add_argument("--scale", choices=("small", "full"), default="full")
    parser.add_argument("--seeds", type=int, default=1, help="of the network and of LightGBM")
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    parser.add_argument("--threads", type=int, help="cap of each numerical pool")
    parser.add_argument("--test", action="store_true", help="score the test years, and write the look down")
    parser.add_argument("--tickers", type=Path, help="stocks of the older protocol, one a line")
    parser.add_argument("--embargo", type=int, default=20, help="trading days between the periods of a fold")
    options, options.keys = parser.parse_known_args()
    return options


def chosen_prices(options: argparse.Namespace, folder: Path) -> Path:
    """The prices of the stocks that the scale or the protocol asks for."""
    path = folder / "prices.parquet"
    if options.tickers is None and options.scale == "full":
        return Path(options.prices)
    if not path.exists():
        prices = pl.scan_parquet(options.prices)
        if options.tickers is not None:
            codes = options.tickers.read_text().split()
        else:
            # What was traded before the first scored day: nothing after it decides which stocks there are.
            before = prices.filter(pl.col("date") < date.fromisoformat(SMALL["period"][0]))
            value = before.group_by("code").agg((pl.col("close") * pl.col("volume")).sum().alias("value"))
            codes = value.sort("value", descending=True).head(SMALL["stocks"]).collect()["code"].to_list()
        with published(path) as beside:
            prices.filter(pl.col("code").is_in(codes)).sink_parquet(beside)
    return path


def make_panel(options: argparse.Namespace, folder: Path) -> Path:
    """Features and targets, of the older protocol for every stock on every day with a price."""
    panel, words = folder / "panel.parquet", []
    if options.tickers is not None:
        words = ["--min_close", 0, "--min_traded_value", 0, "--min_history_days", 1, "--horizons", "[1]"]
    if not panel.exists():
        run_atft("features", "--prices", chosen_prices(options, folder), "--out", panel, *words)
    return panel


def run_keys(options: argparse.Namespace, folder: Path, panel: Path) -> list[Any]:
    """Keys that the network and the baselines share."""
    keys = ["--config", options.config, "--data.panel.path", panel, "--data.cache.dir", folder / "cache"]
    keys += ["--trainer.default_root_dir", folder]
    if options.threads is not None:
        keys += ["--threads", options.threads]
    if options.tickers is not None:
        keys += ["--model.horizons", "[1]", "--data.loader.lookback", 16]
        keys += [word for name, value in FENG.items() for word in (f"--data.split.{name}", str(value))]
    elif options.scale == "small":
        keys += SMALL["keys"]
    if options.tickers is None and not options.test:
        period = SMALL["period"] if options.scale == "small" else DEVELOPMENT
        keys += ["--data.split.folds.period", str(period), "--data.split.embargo_days", options.embargo]
    return keys + options.keys


def train_network(options: argparse.Namespace, folder: Path, keys: list[Any], folds: bool) -> Path:
    """All folds, or the plain split, with each seed: the directory of the result."""
    directory = folder / f"network_{'crossval' if folds else 'seeds'}" / "version_0"
    if not (directory / "predictions.parquet").exists():
        going = ["--resume", directory] if (directory / "crossval.json").exists() else []
        words = [*keys, "--name", "network", "--seeds", options.seeds, "--workers", options.workers, *going]
        run_atft("crossval" if folds else "fit", *words)
    return directory


def train_baseline(
    model: str, options: argparse.Namespace, folder: Path, keys: list[Any], folds: int
) -> Path:
    """One model on each fold, or on the plain split where there are none: the file of its test rows."""
    path, files = folder / f"{model}.parquet", []
    if path.exists():
        return path
    seeds = [] if model == "ridge" else ["--seeds", options.seeds]
    for fold in range(folds) if folds else [None]:
        name = "plain" if fold is None else f"fold_{fold}"
        # A version without predictions was interrupted: the next call makes another one.
        whole = f"{name}_{model}/version_*/predictions.parquet"
        if not list(folder.glob(whole)):
            of_fold = [] if fold is None else ["--data.split.fold", fold]
            run_atft("baseline", "--model", model, *keys, *of_fold, "--name", name, *seeds)
        files += sorted(folder.glob(whole))[-1:]
    rows = pl.concat([pl.scan_parquet(file).filter(pl.col("split") == "test") for file in files])
    with published(path) as beside:
        rows.sort("date", "horizon", "code").sink_parquet(beside)
    return path


def note_look(options: argparse.Namespace, seen: bool) -> None:
    """Write the look at the test years down before it is taken, and say how many there were."""
    former = list(csv.DictReader(LOOKS.open())) if LOOKS.exists() else []
    if not seen:
        words = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
        commit = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
        row = {"date": date.today().isoformat(), "version": atft.__version__, "commit": commit}
        former.append(row | {"config": Path(options.config).name, "seeds": str(options.seeds)})
        with LOOKS.open("w", newline="") as file:
            writer = csv.DictWriter(file, former[-1])
            writer.writeheader()
            writer.writerows(former)
    now = sum(row["version"] == atft.__version__ for row in former)
    print(f"\nthe test years have been scored {len(former)} times, {now} of them with {atft.__version__}")


def leak_file(options: argparse.Namespace, folder: Path, rows: Path) -> Path:
    """Scores of the older literature's leak alone: minus the close over the maximum of the whole period."""
    path = folder / "leak.parquet"
    prices = pl.scan_parquet(options.prices).select("date", "code", "close")
    prices = prices.filter(pl.col("date") >= date.fromisoformat(FENG["train"][0]))
    scores = prices.with_columns(
        (-pl.col("close") / pl.col("close").max().over("code")).cast(pl.Float32).alias("score")
    ).drop("close")
    pl.scan_parquet(rows).drop("score").join(scores, on=["date", "code"], how="inner").sink_parquet(path)
    return path


def published_lines() -> list[str]:
    """The published rows of the older protocol, as text."""
    lines = [f"{'published, not measured here':<30}{'IC':>8}{'precision@10':>14}{'Sharpe':>8}"]
    for name, (ic, precision, sharpe) in PUBLISHED.items():
        lines.append(f"{name:<30}{ic:>8.3f}{precision:>14.3f}{sharpe:>8.3f}")
    return lines


def main() -> None:
    """Every step that is missing, then the table."""
    options = read_options()
    kind = "feng" if options.tickers is not None else options.scale
    folder = options.out / (f"{kind}_test" if options.test else kind)
    folder.mkdir(parents=True, exist_ok=True)
    panel_folder = options.out / kind
    panel_folder.mkdir(parents=True, exist_ok=True)
    panel = make_panel(options, panel_folder)
    keys = run_keys(options, folder, panel)
    plain = options.test or options.tickers is not None
    if options.test:
        note_look(options, (folder / "network_seeds").exists())
    network = train_network(options, folder, keys, not plain)
    predictions = network / "predictions.parquet"
    folds = 0
    if not plain:
        folds = pl.scan_parquet(predictions).select(pl.col("fold").n_unique()).collect().item()
    files = [train_baseline(model, options, folder, keys, folds) for model in MODELS]
    run_atft("compare", f"network={network}", *files, "--out", folder / "comparison.csv")
    run_atft("evaluate", "--predictions", predictions, *files)
    if options.tickers is not None:
        print("\nthe leak alone, beside them:")
        run_atft("evaluate", "--predictions", leak_file(options, folder, files[0]))
        print("\n".join(published_lines()))


if __name__ == "__main__":
    main()
