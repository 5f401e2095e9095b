"""update, predict --last and predict --on: score one day, write the list, and say what has changed around it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from atft.daily.options import ListOptions, UpdateOptions, config_of_run, parse_list_options
from atft.errors import InputError

if TYPE_CHECKING:
    from atft.daily.scorer import Scorer
    from atft.daily.source import Source
    from atft.data.cache import DayCache

ALARM_STATUS = 3
HELP = """\
usage: python -m atft predict --last | --on DATE  --run DIR | --ckpt_path FILE | --registry DIR  [options]

Score one day with a checkpoint, write its list and print both ends of it. What stands beside it: the checkpoint's
age, the inputs that are missing or outside of their range in training, and the share of the usual universe.

  --last              score the panel's last day
  --on DATE           score that day
{options}

examples
{examples}

Exit status 3 where an alarm's limit was passed; the list is written all the same. All of it: docs/daily.md
"""
OPTIONS = """\
  --run DIR           run of fit, lightning_logs/NAME/version_N: its best_model.ckpt, panel and cache
  --ckpt_path FILE    a checkpoint in place of a run
  --registry DIR      folder of retrain: the newest checkpoint that was known on the day
  --out FILE          .csv, .parquet or .json; {date} in it is the day; default: list_DATE.csv beside the checkpoint
  --top N             stocks that are printed of each end; default 10
  --rank_by H         horizon whose scores decide the rank; default: the mean of the ranks of all horizons
  --alarm.age_days N  most days since the checkpoint's last training or validation day
  --alarm.missing S   largest share of inputs that far fewer stocks know than in training
  --alarm.outside S   largest share of inputs outside of their range in training
  --alarm.coverage S  least share of the usual universe
  --data.panel.path, --data.cache.dir, --model.network as in predict; --threads N, --debug"""
UPDATE_HELP = """\
usage: python -m atft update --prices FILE  --run DIR | --registry DIR  [options]

Append the new days of a prices file to the panel and the cache of a run, score the last day and write its list.
The cost grows with the new days, not with the history. The panel is a folder: features --out panels/mine.

  --prices FILE       prices with the new days, in any form that features takes; days that are there are compared
  --corrections WAY   past days that differ: error (default), rebuild from the first changed day, or rescale
{options}

examples
{examples}

Exit status 3 where an alarm's limit was passed; the list is written all the same. All of it: docs/daily.md
"""
RUN = "lightning_logs/mine/version_0"
EXAMPLES = {
    "predict": f"""\
  python -m atft predict --last --run {RUN}
  python -m atft predict --on 2017-06-30 --registry registries/mine --out 'lists/{{date}}.csv'""",
    "update": f"""\
  python -m atft update --prices today.csv --run {RUN} --out 'lists/{{date}}.csv'
  python -m atft update --prices today.csv --registry registries/mine --alarm.coverage 0.9 --alarm.outside 0.1""",
}


def run(command: str, arguments: Sequence[str]) -> int:
    """Run ``update``, or ``predict`` of one day; 3 where an alarm's limit was passed.

    Raises:
        InputError: an option, prices, panel, cache or checkpoint cannot be used; no list is written then.
    """
    if not arguments or {"-h", "--help"} & set(arguments):
        text = UPDATE_HELP if command == "update" else HELP
        print(text.replace("{options}", OPTIONS).replace("{examples}", EXAMPLES[command]), end="")  # noqa: T201
        return 0
    from atft.daily.day_list import check_list_file
    from atft.daily.scorer import load_scorer
    from atft.daily.source import source_of
    from atft.progress import Progress

    options, update = parse_list_options(command, arguments)
    with Progress(command):
        checkpoint, cache_dir = scoring_checkpoint(options)
        scorer = load_scorer(checkpoint, options.network)
        source = source_of(scorer.config, str(checkpoint), options.panel, options.cache or cache_dir)
        if options.out is not None:  # before anything is appended
            inputs = [update.prices] if command == "update" else []
            check_list_file(Path(options.out), source.panel_path, *inputs)
        if command == "update":
            append_days(source, update)
        return write_day_list(options, scorer, source)


def append_days(source: "Source", update: UpdateOptions) -> None:
    """Append the new days of a prices file to the panel of a checkpoint, and say what was appended.

    Raises:
        InputError: the panel cannot grow, or the prices do not fit it; nothing is changed then.
    """
    from atft.features.append import append_prices

    if source.panel.path is None:
        raise InputError("update appends to a panel made of prices; this checkpoint's market is simulated")
    report = append_prices(Path(source.panel.path), Path(update.prices), update.corrections)
    print("\n".join(report.lines()))  # noqa: T201


def write_day_list(options: ListOptions, scorer: "Scorer", source: "Source") -> int:
    """Score the day that is asked for, write its list and its checks, and print them; 3 with an alarm, else 0.

    Raises:
        InputError: the panel or the cache cannot be used, or the day cannot be scored.
    """
    from atft.daily.checks import check_day, write_checks
    from atft.daily.day_list import list_table, list_text, write_list
    from atft.daily.scorer import score_day

    cache = source.open_cache()
    day = find_day(cache, options)
    today = cache.manifest.dates[day]
    out = scorer.checkpoint.with_name("list_{date}.csv") if options.out is None else Path(options.out)
    out = out.with_name(out.name.replace("{date}", today.isoformat()))
    scores = score_day(scorer, cache, day, source.lookback)
    # The day before may have no history or no universe of its own.
    earlier = day >= source.lookback and cache.manifest.universe_rows[day - 1]
    before = score_day(scorer, cache, day - 1, source.lookback) if earlier else None
    network = scorer.network
    table = list_table(today, scores, before, network.horizons, network.quantiles, options.rank_by)
    checks = check_day(scorer, cache, day, scores, before)
    alarms = checks.alarms(options.alarm)
    write_list(table, out)
    write_checks(checks, alarms, out)
    print("\n".join([list_text(table, options.top, f"{len(table):,} stocks of {today}"), *checks.lines()]))  # noqa: T201
    print(f"list       {out}")  # noqa: T201
    if alarms:
        print(f"atft: alarm: {'; '.join(alarms)}; {out}", file=sys.stderr)  # noqa: T201
    return ALARM_STATUS if alarms else 0


def scoring_checkpoint(options: ListOptions) -> tuple[Path, str | None]:
    """The checkpoint that scores, and the folder of the caches where its run says so.

    Raises:
        InputError: there is no run, or it has no checkpoint; or the registry has none that was known that day.
    """
    from atft.checkpoint_file import BEST
    from atft.daily.registry import known_run

    if options.ckpt_path is not None:
        return Path(options.ckpt_path), None
    directory = known_run(Path(options.registry), options.day) if options.registry else Path(str(options.run))
    checkpoint = directory / BEST
    if not checkpoint.is_file():
        raise InputError(f"{directory}: no {BEST} there; name the directory of a finished run, .../version_N")
    return checkpoint, (config_of_run(directory).get("data") or {}).get("cache", {}).get("dir")


def find_day(cache: "DayCache", options: ListOptions) -> int:
    """Index on the cache's calendar of the day to score.

    Raises:
        InputError: the panel has no such day.
    """
    dates, day = cache.manifest.dates, options.day
    if day is None:
        return len(dates) - 1
    if day not in dates:
        before = max((d for d in dates if d < day), default=None)
        near = f"the trading day before it is {before}" if before else f"the panel begins {dates[0]}"
        raise InputError(f"--on {day}: the panel has no such day, it runs to {dates[-1]}; {near}")
    return dates.index(day)
