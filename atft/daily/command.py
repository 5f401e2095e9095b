"""update, predict --last and --on: score one day, write the list, and say what has changed around it; --from."""

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from atft.daily.options import ListOptions, UpdateOptions, parse_list_options
from atft.errors import InputError, counted

if TYPE_CHECKING:
    from atft.daily.scoring_run import ScoringRun
    from atft.daily.source import Source

ALARM_STATUS = 3
HELP = """\
usage: python -m atft predict --last | --on DATE | --from DATE
                              --run DIR | --ckpt_path FILE | --registry DIR  [options]

Score one day with a run, write its ranked list and print both ends of it. Beside the list stand the checkpoint's
age, the shares of inputs that are missing or outside their range in training, and the share of the usual universe
that is ranked. Or score a period into one predictions file, which evaluate, compare and report read.

  --last              score the panel's last day
  --on DATE           score that day
  --from DATE         score each day from DATE to --to DATE, default the panel's last; with --registry each day by
                      the checkpoint known on it. --out is then .csv or .parquet, default
                      predictions_SCORER_FIRST_LAST.parquet beside the checkpoint; --top, --rank_by and --alarm.*
                      are of one day's list only
{options}

examples
{examples}

If an alarm's limit is passed, the exit status is 3; the list is written all the same. More: docs/daily.md
"""
OPTIONS = """\
  --run DIR           run of fit, lightning_logs/NAME/version_N: its best_model.ckpt, panel and cache. Run of
                      fit --seeds, lightning_logs/NAME_seeds/version_N: the mean rank of its seeds
  --ckpt_path FILE    a checkpoint in place of a run
  --registry DIR      folder of retrain: the newest checkpoint that was known on the day
  --scorer NAME       network (default); lightgbm, the trees that the run fitted; or blend, the mean rank of both.
                      They are rows of the table that ends a fit
  --out FILE          list to write, .csv, .parquet or .json; {date} in it is the day; default: list_DATE.csv
                      beside the checkpoint
  --top N             stocks to print from each end of the list; default 10
  --rank_by H         horizon whose scores decide the rank; default: the mean of the ranks of all horizons
  --alarm.age_days N  most calendar days since the checkpoint's last training or validation day
  --alarm.missing S   largest share of inputs that far fewer stocks know than in training
  --alarm.outside S   largest share of inputs outside their range in training
  --alarm.coverage S  smallest share of the usual universe that is ranked
  --data.panel.path, --data.cache.dir, --model.network as in predict; --threads N, --debug"""
UPDATE_HELP = """\
usage: python -m atft update --prices FILE  --run DIR | --registry DIR  [options]

Append the new days of a prices file to the panel and the cache of a run, score the last day and write its ranked
list. The cost grows with the new days, not with the history. The panel must be a folder, as made by
features --out panels/mine.

  --prices FILE       prices with the new days, in any form that features takes; days already stored are compared
  --corrections WAY   if past days differ: error (default), rebuild from the first changed day, or rescale
  --on DATE           score that day; default: the last one
{options}

examples
{examples}

If an alarm's limit is passed, the exit status is 3; the list is written all the same. More: docs/daily.md
"""
RUN = "lightning_logs/mine/version_0"
EXAMPLES = {
    "predict": f"""\
  python -m atft predict --last --run {RUN}
  python -m atft predict --last --run {RUN} --scorer blend
  python -m atft predict --from 2015-01-01 --run {RUN} --scorer blend
  python -m atft predict --on 2017-06-30 --registry registries/mine --out 'lists/{{date}}.csv'""",
    "update": f"""\
  python -m atft update --prices today.csv --run {RUN} --out 'lists/{{date}}.csv'
  python -m atft update --prices today.csv --registry registries/mine --alarm.coverage 0.9 --alarm.outside 0.1""",
}


def run(command: str, arguments: Sequence[str]) -> int:
    """Run ``update``, or ``predict`` of a day or of a period; 3 where an alarm's limit was passed.

    Raises:
        InputError: an option, prices, panel, cache or checkpoint cannot be used; no list is written then.
    """
    if not arguments or {"-h", "--help"} & set(arguments):
        text = UPDATE_HELP if command == "update" else HELP
        print(text.replace("{options}", OPTIONS).replace("{examples}", EXAMPLES[command]), end="")  # noqa: T201
        return 0
    from atft.daily.day_list import FORMATS, check_rank_by
    from atft.daily.scoring_run import load_run
    from atft.daily.source import source_of
    from atft.files.output_path import check_not_among, check_table_out
    from atft.process.progress import Progress

    options, update = parse_list_options(command, arguments)
    with Progress(command):
        run = load_run(options)
        where, cache_dir = str(run.scorer.files[0]), options.cache or run.cache_dir
        source = source_of(run.scorer.config, where, options.panel, cache_dir)
        if options.first is not None:
            from atft.daily.period import write_period

            return write_period(options, run, source)
        # Before anything is appended.
        check_rank_by(options.rank_by, run.scorer.horizons)
        if options.out is not None:
            check_table_out(Path(options.out), FORMATS, [source.panel_path, update.prices])
            if update.prices and not options.out.endswith(".json"):
                check_not_among(Path(options.out), [update.prices])
        last_day = append_days(source, update) if command == "update" else None
        return write_day_list(options, run, source, update.prices, last_day)


def append_days(source: "Source", update: UpdateOptions) -> date:
    """Append the new days of a prices file to the panel of a checkpoint, and say what was appended.

    Returns:
        The panel's last trading day.

    Raises:
        InputError: the panel cannot grow, or the prices do not fit it; nothing is changed then.
    """
    from atft.features.append import append_prices

    if source.panel.path is None:
        raise InputError("update appends to a panel made of prices; this checkpoint's market is simulated")
    report = append_prices(Path(source.panel.path), Path(update.prices), update.corrections)
    print("\n".join(report.lines()))  # noqa: T201
    return report.last_day


def write_day_list(
    options: ListOptions,
    run: "ScoringRun",
    source: "Source",
    prices: str = "",
    last_day: date | None = None,
) -> int:
    """Score the day that is asked for, write its list and its checks, and print them; 3 with an alarm, else 0.

    Args:
        prices: file, folder or glob that the days were appended from; the list does not replace it.
        last_day: the last trading day of the panel that they were appended to.

    Raises:
        InputError: the panel or the cache cannot be used, the day cannot be scored, or the panel's last day has no
            row.
    """
    from atft.daily.checks import check_day, write_checks
    from atft.daily.day_list import FORMATS, list_table, list_text, write_list
    from atft.daily.registry import known_runs, passed_over_lines
    from atft.daily.scoring_run import score_by
    from atft.data.day_checks import find_day
    from atft.files.output_path import check_table_out

    cache = source.open_cache()
    if options.day is None and last_day is not None and cache.manifest.dates[-1] < last_day:
        # The list of an earlier day would be traded as the new one's.
        raise InputError(
            f"{source.panel_path}: no row of {last_day}, its last day, is left, so there is no list of it; correct "
            f"its prices and append them with --corrections rebuild, or list {cache.manifest.dates[-1]} with --on"
        )
    dates = cache.manifest.dates
    day = len(dates) - 1 if options.day is None else find_day(dates, options.day, "--on")
    today = dates[day]
    if options.registry and (known := known_runs(Path(options.registry))(today)) != run.directory:
        run = score_by(known, options)  # the panel ends before the registry's newest run
    scorer = run.scorer
    out = run.directory / f"list_{today}.csv"
    if options.out is not None:
        out = Path(options.out.replace("{date}", today.isoformat()))
        # Once more, as the day may name another folder.
        check_table_out(out, FORMATS, [source.panel_path, prices])
    scores = scorer.score(cache, day, source.lookback)
    # The day before may have no history or no universe of its own.
    earlier = day >= source.lookback and cache.manifest.universe_rows[day - 1]
    before = scorer.score(cache, day - 1, source.lookback) if earlier else None
    table = list_table(today, scores, before, scorer.horizons, scorer.quantiles, options.rank_by)
    checks = check_day(scorer, cache, day, scores, before)
    alarms = checks.alarms(options.alarm)
    write_list(table, out)
    write_checks(checks, alarms, out)
    title = f"{counted(len(table), 'stock')} of {today}"
    lines = [list_text(table, options.top, title), *checks.lines()]
    if options.registry:
        lines += passed_over_lines(Path(options.registry), run.directory, today)
    print("\n".join(lines))  # noqa: T201
    print(f"list       {out}")  # noqa: T201
    if alarms:
        print(f"atft: alarm: {'; '.join(alarms)}; {out}", file=sys.stderr)  # noqa: T201
    return ALARM_STATUS if alarms else 0
