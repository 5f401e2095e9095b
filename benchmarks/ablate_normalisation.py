"""What each window normalisation adds: none, RevIN, Dish-TS, SAN and FAN, trained alike on two markets.

    python benchmarks/ablate_normalisation.py --market                        simulated, 15 trainings of 1 minute
    python benchmarks/ablate_normalisation.py --panel panels/nasdaq.parquet   a slice of it, 15 of 2 minutes
    python benchmarks/ablate_normalisation.py --market --panel FILE --out FOLDER
    python benchmarks/ablate_normalisation.py --market --model.network.hidden_size 64    any key of the config

Each training is `python -m atft fit` with `configs/quickstart.yaml` or, on the slice, `configs/nasdaq.yaml` with
another split, fewer features and fewer, smaller steps. Its best epoch is chosen on the validation days. Prints
RankIC (mean over horizons) on validation and test days, the difference to `none` of the same seed, and the share of
the oracle where it is known, each as a mean over seeds with its standard error. On the simulated market a seed
draws another market and another network; on the panel another network only: that error knows nothing of other days.

The slice: every sixth code in the order of the traded value of its training days (2009-2012), large and small
alike, 36 features, horizons 1 and 5, validated on 2013, tested on 2014-2015. With `--out` every finished training
is kept as a line of `trainings.jsonl`; the same command goes on where it was stopped, and trains again what another
version of the program or other keys have made.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import mean, stdev

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
MEMBERS = ("none", "revin", "dish_ts", "san", "fan")
EVERY = 6
"""Codes, by traded value, of which the slice keeps one."""
SPLIT = {
    "train": ("2009-01-01", "2012-12-31"),
    "val": ("2013-01-01", "2013-12-31"),
    "test": ("2014-01-01", "2015-12-31"),
}
FIRST_DAY = date(2008, 9, 1)
"""Of the slice: what windows and the graph's returns reach back to from the first training day."""
FEATURES = """
    return_1d return_5d return_20d return_60d return_250d gap_1d intraday_1d up_days_20d rsi_14d max_return_20d
    skew_60d average_distance_20d average_slope_20d bollinger_20d trend_slope_20d trend_r2_20d volatility_5d
    volatility_20d volatility_250d volatility_ratio_5_60 parkinson_5d close_location_1d stochastic_14d
    high_distance_250d volume_ratio_1_20 volume_ratio_5_60 traded_value_20d illiquidity_20d signed_volume_5d
    money_flow_20d vwap_distance_20d beta_250d idiosyncratic_20d residual_5d residual_20d return_5d_vs_sector
"""
"""One or two of each family of the panel's 170, so that a training takes minutes."""
ON_THE_SLICE = [
    *(word for name, ends in SPLIT.items() for word in (f"--data.split.{name}", f"[{', '.join(ends)}]")),
    *("--data.panel.schema.features", f"[{', '.join(f'x_{name}' for name in FEATURES.split())}]"),
    *("--model.horizons", "[1, 5]", "--trainer.max_epochs", "2"),
    *("--data.loader.batch_size", "2048", "--model.optimizer.init_args.lr", "2.0e-3"),
]


@dataclass(frozen=True)
class Training:
    """What one training brought; RankIC is the mean over horizons."""

    key: str
    val: float
    test: float
    oracle: float | None
    """RankIC of the best possible score on the test days; None where it is unknown."""
    seconds: float


def main() -> None:
    """Train every member with every seed on the markets that were asked for, and print one table of each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--market", action="store_true", help="on the simulated market")
    parser.add_argument("--panel", type=Path, help="on a slice of this panel (NASDAQ, made by `features`)")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 1 on")
    parser.add_argument("--members", nargs="+", choices=MEMBERS, default=list(MEMBERS))
    parser.add_argument(
        "--out", type=Path, help="folder to keep runs and results; by default they are thrown away"
    )
    parser.add_argument("--threads", type=int, default=2)
    args, overrides = parser.parse_known_args()
    if not args.market and args.panel is None:
        parser.error("nothing to train on: give --market, --panel FILE or both")
    if args.seeds < 1:
        parser.error(f"--seeds must be at least 1, got {args.seeds}")
    if args.panel is not None and not args.panel.exists():
        parser.error(f"--panel {args.panel}: no such file; make it with `python -m atft features`")
    with tempfile.TemporaryDirectory() as thrown_away:
        folder = (args.out or Path(thrown_away)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        markets = {"simulated": ["--config", str(CONFIGS / "quickstart.yaml")]} if args.market else {}
        if args.panel is not None:
            panel = cut_slice(args.panel, folder)
            markets["slice"] = ["--config", str(CONFIGS / "nasdaq.yaml"), "--data.panel.path", str(panel)]
            markets["slice"] += ON_THE_SLICE
        for market, arguments in markets.items():
            by_member: dict[str, list[Training]] = {member: [] for member in args.members}
            for seed in range(1, args.seeds + 1):
                for member in args.members:
                    asked = [*arguments, "--seed_everything", str(seed), "--threads", str(args.threads)]
                    asked += ["--data.panel.simulate.seed", str(seed)] if market == "simulated" else []
                    asked += ["--model.network.window_norm", member, *overrides]
                    done = train_once(asked, folder, f"{market}-{member}-{seed}")
                    by_member[member].append(done)
                    print(
                        f"{market} {member} seed {seed}: RankIC {done.val:+.4f} on validation days, "
                        f"{done.test:+.4f} on test days, {done.seconds:.0f} s",
                        flush=True,
                    )
            print(table(market, by_member), flush=True)


def cut_slice(panel: Path, folder: Path) -> Path:
    """Write the slice beside the results, or take the one that is there of the same panel and cut."""
    import polars as pl

    from atft.files.digest import text_digest

    state = panel.stat()
    path = (
        folder
        / f"slice-{text_digest(f'{state.st_size} {state.st_mtime} {EVERY} {FIRST_DAY} {SPLIT}')}.parquet"
    )
    if path.exists():
        return path
    rows = pl.scan_parquet(panel)
    first, last = (date.fromisoformat(day) for day in SPLIT["train"])
    traded = rows.filter("universe", pl.col("date").is_between(first, last))
    by_value = (
        traded.group_by("code")
        .agg(pl.col("traded_value").cast(pl.Float64).sum())
        .sort("traded_value", "code")
    )
    codes = by_value.collect(engine="streaming")["code"].gather_every(EVERY).to_list()
    end = date.fromisoformat(SPLIT["test"][1])
    cut = rows.filter(pl.col("code").is_in(codes), pl.col("date").is_between(FIRST_DAY, end))
    partly = path.with_suffix(".tmp")
    cut.sort("date", "code").collect(engine="streaming").write_parquet(partly)
    return partly.rename(path)


def train_once(arguments: list[str], folder: Path, name: str) -> Training:
    """Train as a user would, in a process of its own, or read back what the same arguments and code brought."""
    from atft.callbacks.record.receipt import code_digest
    from atft.files.digest import text_digest

    key = text_digest(" ".join([code_digest(), *arguments]))
    kept = folder / "trainings.jsonl"
    for line in kept.read_text().splitlines() if kept.exists() else []:
        before = Training(**json.loads(line))
        if before.key == key:
            return before
    # A folder of its own: two commands may fill one --out together.
    root = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
    where = [
        "--name",
        name,
        "--trainer.default_root_dir",
        str(root),
        "--data.cache.dir",
        str(folder / "cache"),
    ]
    command = [sys.executable, "-m", "atft", "fit", *arguments, *where]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{ended.stderr}")
    run = root / name / "version_0"
    final = json.loads((run / "metrics.json").read_text())["final"]
    done = Training(
        key=key,
        val=final["val/rank_ic"],
        test=final["test/rank_ic"],
        oracle=oracle(run / "predictions.parquet"),
        seconds=json.loads((run / "receipt.json").read_text())["seconds"]["total"],
    )
    with kept.open("a") as lines:
        lines.write(json.dumps(asdict(done)) + "\n")
    return done


def oracle(predictions: Path) -> float | None:
    """RankIC of the best possible score on the test days, mean over horizons; None where no one knows it."""
    import pyarrow.parquet as pq
    import torch

    from atft.cross_section import spearman
    from atft.evaluation.predictions import read_horizon

    if "oracle" not in pq.read_schema(predictions).names:
        return None
    by_horizon = []
    for horizon in sorted(set(pq.read_table(predictions, columns=["horizon"])["horizon"].to_pylist())):
        days = read_horizon(predictions, horizon, "test", ("oracle", "target"))
        oracle, target = (torch.from_numpy(days.columns[n]).nan_to_num() for n in ("oracle", "target"))
        by_horizon.append(float(spearman(oracle, target, torch.from_numpy(days.valid())).nanmean()))
    return mean(by_horizon)


def table(market: str, by_member: dict[str, list[Training]]) -> str:
    """Write the trainings of one market as a table, means over seeds ± standard errors."""

    def cell(values: list[float]) -> str:
        error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
        return f"{mean(values):+.4f} ± {error:.4f}"

    columns = ["window_norm", "val RankIC", "test RankIC", "val - none", "test - none", "oracle", "seconds"]
    lines = ["", market, "".join(f"{c:<19}" for c in columns)]
    plain = by_member.get("none")
    for member, trainings in by_member.items():
        cells = [member, cell([t.val for t in trainings]), cell([t.test for t in trainings])]
        for name in ("val", "test"):
            pairs = zip(trainings, plain, strict=True) if plain and member != "none" else ()
            gained = [getattr(one, name) - getattr(other, name) for one, other in pairs]
            cells.append(cell(gained) if gained else "-")
        tops = [t.oracle for t in trainings if t.oracle is not None]
        cells.append(f"{mean(t.test for t in trainings) / mean(tops):.0%}" if tops else "-")
        cells.append(f"{mean(t.seconds for t in trainings):.0f}")
        lines.append("".join(f"{c:<19}" for c in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
