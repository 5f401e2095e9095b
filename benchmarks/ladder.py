"""The ladder: what each part of the network adds on the simulated market, between a ridge and the oracle.

    python benchmarks/ladder.py                              5 seeds, 4 trainings each (about 10 minutes, 2 cores)
    python benchmarks/ladder.py --seeds 1 2 --out ladder.png
    python benchmarks/ladder.py --twin                       the same on the noise-only twin: all must be near 0

Every rung is the network of the config with more of its parts on, trained alike, its best epoch chosen on the
validation days and measured on the test days. Prints, per rung, the mean daily RankIC over the horizons and its
standard error over seeds, the share of the oracle, and the mean daily correlation of the score with each
planted part (which needs no returns and is far less noisy). A seed draws another market and another network.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.process.threads import cap_threads

if TYPE_CHECKING:
    import numpy as np

    from atft.commands.ranking_cli import RankingCLI

QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"

RUNGS: dict[str, dict[str, str]] = {
    "+ window": {"graph": "none", "window_norm": "none"},
    "+ graph": {"window_norm": "none"},
    "+ FAN": {},
}
"""Trained rungs and the parts that they lack; below them stands the ridge, above them the oracle."""

WITHOUT = {f"all but {part}": {part: "none"} for part in ("encoder", "graph", "window_norm")}


@dataclass(frozen=True)
class Outcome:
    """How one score did on the test days."""

    rank_ic: dict[int, float]
    """Horizon to the mean daily RankIC."""
    parts: dict[str, float]
    """Planted part to the mean daily correlation of the shortest horizon's score with it."""

    @property
    def mean_rank_ic(self) -> float:
        """Mean over horizons."""
        return sum(self.rank_ic.values()) / len(self.rank_ic)


@dataclass(frozen=True)
class UnseenDays:
    """What scores are measured against, [days, stocks(, horizons)], over all stocks of the cache."""

    index: list[int]
    universe: "np.ndarray[Any, Any]"
    target: "np.ndarray[Any, Any]"
    parts: "dict[str, np.ndarray[Any, Any]]"
    oracle: "np.ndarray[Any, Any]"


def main(arguments: Sequence[str] | None = None) -> dict[str, list[Outcome]]:
    """Climb the ladder for each seed, print it, and draw it where ``--out`` says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=QUICKSTART)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--twin", action="store_true", help="plant nothing")
    parser.add_argument("--without", action="store_true", help="also train with each part switched off alone")
    parser.add_argument("--out", type=Path, help="picture to write (PNG)")
    parser.add_argument("--threads", type=int, default=2)
    args, overrides = parser.parse_known_args(arguments)
    cap_threads(args.threads)
    by_rung: dict[str, list[Outcome]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in args.seeds:
            for rung, outcome in climb(args, seed, Path(folder), overrides).items():
                by_rung.setdefault(rung, []).append(outcome)
                print(f"seed {seed}  {rung:<18} RankIC {outcome.mean_rank_ic:+.4f}", flush=True)
    print(describe(by_rung))
    if args.out:
        draw(by_rung, args.out)
        print(f"picture in {args.out}")
    return by_rung


def climb(args: argparse.Namespace, seed: int, folder: Path, overrides: list[str]) -> dict[str, Outcome]:
    """Measure every rung on one market."""
    rungs = RUNGS | (WITHOUT if args.without else {})
    outcomes: dict[str, Outcome] = {}
    days: UnseenDays | None = None
    for rung, parts in rungs.items():
        cli = train(args.config, seed, folder, parts, args.twin, overrides)
        if days is None:
            days = test_days(cli)
            outcomes["linear (ridge)"] = measure(ridge_scores(cli, days), days, cli)
        outcomes[rung] = measure(network_scores(cli, days), days, cli)
    assert days is not None
    outcomes["oracle"] = measure(days.oracle, days, cli)
    return outcomes


def train(
    config: Path, seed: int, folder: Path, parts: dict[str, str], twin: bool, overrides: list[str]
) -> "RankingCLI":
    """Train as ``python -m atft fit`` does, into a throw-away folder, and load the best epoch."""
    import torch

    from atft.callbacks.record.run_checkpoint import find_checkpoint
    from atft.commands.train import build
    from atft.runs.third_parties import silence_third_parties

    silence_third_parties()
    cli = build(
        "fit",
        [
            *("--config", str(config), "--name", "ladder", "--seed_everything", str(seed)),
            *("--data.panel.simulate.seed", str(seed), "--data.panel.simulate.noise_only", str(twin).lower()),
            *("--trainer.default_root_dir", str(folder / "runs"), "--data.cache.dir", str(folder / "cache")),
            *(w for name, choice in parts.items() for w in (f"--model.network.{name}", choice)),
            *overrides,
        ],
    )
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    checkpoint = find_checkpoint(cli.trainer)
    assert checkpoint is not None
    cli.model.load_state_dict(torch.load(checkpoint.best_model_path, weights_only=True)["state_dict"])
    return cli


def test_days(cli: "RankingCLI") -> UnseenDays:
    """Collect labels and planted parts of the test days; the parts come from simulating the market again."""
    import numpy as np

    from atft.market.options import PARTS
    from atft.market.simulate import simulate_market

    data = cli.datamodule
    cache, index = data.open_cache(), [int(day) for day in data.split.test]
    views, every = [cache.day(day) for day in index], np.arange(cache.stocks)
    market = simulate_market(data.panel.simulate)
    row = np.array([market.dates.index(cache.manifest.dates[day]) for day in index])[:, None]
    column = np.array([market.codes.index(code) for code in cache.codes])
    return UnseenDays(
        index=index,
        universe=np.stack([v.of_stocks("universe", every) for v in views]),
        target=np.stack([v.of_stocks("target", every) for v in views]),
        parts={name: market.parts[part][row, column] for part, name in enumerate(PARTS)},
        oracle=np.stack([market.oracle(h)[row, column] for h in data.horizons], axis=-1),
    )


def network_scores(cli: "RankingCLI", days: UnseenDays) -> "np.ndarray[Any, Any]":
    """Score the test days, [days, stocks, horizons] over all stocks."""
    import numpy as np
    import torch

    network = cli.model.network.eval()
    scores = np.zeros(days.target.shape, np.float32)
    with torch.no_grad():
        for batch in cli.datamodule.test_dataloader():
            score = network(batch).score.numpy()
            for row, day in enumerate(batch.day.tolist()):
                scores[days.index.index(day), batch.stock.numpy()] = score[row]
    return scores


def ridge_scores(cli: "RankingCLI", days: UnseenDays) -> "np.ndarray[Any, Any]":
    """Fit the linear baseline on the training days' last rows and score the test days."""
    import numpy as np

    from atft.data.day_features import day_features
    from atft.tasks.baseline_scores import fit_baseline

    ridge, cache = fit_baseline("ridge", cli.datamodule), cli.datamodule.open_cache()
    every = np.arange(cache.stocks)
    return np.stack([ridge.score(day_features(cache, day, every)) for day in days.index])


def measure(scores: "np.ndarray[Any, Any]", days: UnseenDays, cli: "RankingCLI") -> Outcome:
    """Compare scores with the labels and with each planted part, day by day."""
    import torch

    from atft.cross_section import pearson, spearman

    score, universe = torch.from_numpy(scores).double(), torch.from_numpy(days.universe)
    target = torch.from_numpy(days.target).double()
    rank_ic = {}
    for place, horizon in enumerate(cli.datamodule.horizons):
        label = target[..., place]
        valid = universe & label.isfinite()
        rank_ic[horizon] = float(spearman(score[..., place], label, valid).nanmean())
    parts = {
        name: float(pearson(score[..., 0], torch.from_numpy(part).double(), universe).nanmean())
        for name, part in days.parts.items()
    }
    return Outcome(rank_ic, parts)


def describe(by_rung: dict[str, list[Outcome]]) -> str:
    """Write the ladder as a table: mean over seeds, standard error, share of the oracle, parts."""
    from statistics import mean, stdev

    oracle = mean(outcome.mean_rank_ic for outcome in by_rung["oracle"])
    first = by_rung["oracle"][0]
    horizons, parts = list(first.rank_ic), list(first.parts)
    head = [f"{'rung':<18}", f"{'RankIC':>8}", f"{'s.e.':>7}", f"{'oracle':>8}"]
    head += [f"{f'{h}d':>8}" for h in horizons] + [f"{name:>11}" for name in parts]
    lines = ["", "".join(head)]
    for rung, outcomes in by_rung.items():
        values = [outcome.mean_rank_ic for outcome in outcomes]
        error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
        line = [f"{rung:<18}", f"{mean(values):+8.4f}", f"{error:7.4f}", f"{mean(values) / oracle:8.0%}"]
        line += [f"{mean(outcome.rank_ic[h] for outcome in outcomes):+8.4f}" for h in horizons]
        line += [f"{mean(outcome.parts[name] for outcome in outcomes):+11.2f}" for name in parts]
        lines.append("".join(line))
    return "\n".join(lines)


def draw(by_rung: dict[str, list[Outcome]], path: Path) -> None:
    """Draw the ladder: one bar a rung with its standard error over seeds, the oracle as a line."""
    import matplotlib

    matplotlib.use("Agg")
    from statistics import mean, stdev

    import matplotlib.pyplot as plt

    rungs = ["linear (ridge)", *RUNGS]
    values = {rung: [outcome.mean_rank_ic for outcome in by_rung[rung]] for rung in [*rungs, "oracle"]}
    errors = [stdev(values[r]) / len(values[r]) ** 0.5 if len(values[r]) > 1 else 0.0 for r in rungs]
    figure, axes = plt.subplots(figsize=(7, 3.6), dpi=150)
    heights = [mean(values[r]) for r in rungs]
    bars = axes.bar(
        rungs, heights, yerr=errors, color=["#9aa5b1", "#7fa8d1", "#4f86c6", "#1f5fa8"], capsize=4
    )
    axes.bar_label(bars, labels=[f"{h:.3f}" for h in heights], label_type="center", color="white")
    top = mean(values["oracle"])
    axes.axhline(top, color="#b03a2e", linestyle="--")
    axes.text(-0.45, top, f"oracle {top:.3f}", color="#b03a2e", va="bottom")
    axes.set_ylabel("RankIC on unseen days")
    axes.set_ylim(0, 1.15 * top)
    axes.set_title(f"Simulated market, {len(values['oracle'])} seeds", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)


if __name__ == "__main__":
    main()
