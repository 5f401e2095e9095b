"""predict --from: score the days of a period by a network, by trees or by both, into one predictions file.

Days are scored one by one, as those of a list are, so a score has the bits of that day's list. With a registry a
day has the scorer that was known then: the file is what one would have ranked by.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache as remember
from pathlib import Path
from typing import Any

from atft.commands.predict import FORMATS
from atft.daily.options import ListOptions
from atft.daily.registry import known_runs, passed_over_lines
from atft.daily.scorer import Scorer
from atft.daily.scoring_run import ScoringRun, score_by
from atft.daily.source import Source, plain_options
from atft.data.cache import DayCache
from atft.data.day_checks import days_to_score, history_lines
from atft.data.fold_dates import read_fold_dates
from atft.data.split import SplitOptions, period_name
from atft.evaluation.predictions import FILE_FORMAT
from atft.files.output_path import check_table_out
from atft.files.parquet import table_file
from atft.process.progress import Progress

LEARNED_FROM = ("train", "val", "gap")
"""Periods whose scores are no forecasts: the scorer has learned from these days, or from labels that reach them."""

PeriodColumns = Callable[[date], Mapping[str, Any]]
"""From a date to the columns that say what a scorer's training made of it: split, and those of a fold."""


def write_period(options: ListOptions, run: ScoringRun, source: Source) -> int:
    """Score the days that are asked for, write their file, and print what they are; 0.

    Args:
        run: what scores; of a registry, the newest, in place of which each day takes the one of its date.

    Raises:
        InputError: the file cannot be written there, or no day of the period can be scored; with a registry, also
            where no checkpoint was known on the first day.
    """
    from atft.callbacks.record.prediction_writer import day_rows

    cache, lookback = source.open_cache(), source.lookback
    dates = cache.manifest.dates
    first, last = options.period(dates[-1])
    days, short = days_to_score(cache, "--from and --to", [str(first), str(last)], lookback)
    name = f"predictions_{options.scorer}_{dates[days[0]]}_{dates[days[-1]]}.parquet"
    out = (Path(options.registry) if options.registry else run.directory) / name
    if options.out is not None:
        out = Path(options.out)
    check_table_out(out, FORMATS, [source.panel_path])
    last_days: dict[Path, date] = {}
    known_on, counts = _known_scorers(options, run, cache, last_days), Counter[str]()
    with table_file(out, **FILE_FORMAT) as append, Progress("scoring days", len(days)) as work:
        for day in days.tolist():
            scorer, columns_of = known_on(dates[day])
            columns = columns_of(dates[day])
            score = scorer.score(cache, day, lookback).score
            append(day_rows(cache, day, cache.day(day).ranked, score, **columns), None)
            counts[columns["split"]] += 1
            work.advance()
    named = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    lines = [f"scorer     {scorer.name}", f"days       {named}", *history_lines(cache, days, short, lookback)]
    learned = sum(counts[name] for name in LEARNED_FROM)
    if learned:
        lines.append(f"{learned:,} of {len(days):,} days are no forecasts: the scorer has learned from them")
    for directory, last_day in last_days.items():
        lines += passed_over_lines(Path(str(options.registry)), directory, last_day)
    print("\n".join([*lines, f"predictions in {out}"]))  # noqa: T201
    return 0


def _known_scorers(
    options: ListOptions, run: ScoringRun, cache: DayCache, last_days: dict[Path, date]
) -> Callable[[date], tuple[Scorer, PeriodColumns]]:
    """What scores a date, of a registry what was known then, and its columns of a date.

    ``last_days`` gets the last date that each run of a registry has scored.
    """

    @remember
    def scorer_of(directory: Path) -> tuple[Scorer, PeriodColumns]:
        scorer = run.scorer if directory == run.directory else score_by(directory, options).scorer
        return scorer, _period_columns(scorer, cache)

    if options.registry is None:
        return lambda _: scorer_of(run.directory)
    known_on = known_runs(Path(options.registry))  # once: it reads every run's predictions through

    def of_date(day: date) -> tuple[Scorer, PeriodColumns]:
        directory = known_on(day)
        last_days[directory] = day
        return scorer_of(directory)

    return of_date


def _period_columns(scorer: Scorer, cache: DayCache) -> PeriodColumns:
    if "fold" in scorer.learned:
        fold = read_fold_dates(scorer.learned["fold"])
        return lambda day: {"split": fold.period_of(day), "fold": fold.fold, "causal": fold.causal}
    split = (scorer.config.get("data") or {}).get("split") or {}
    # A run of the plain split: the folds that its configuration may describe have no part in it.
    options = plain_options(SplitOptions, {**split, "folds": None}, str(scorer.files[0]))
    manifest = cache.manifest
    return lambda day: {"split": period_name(manifest.dates, options, manifest.longest_label_days, day)}
