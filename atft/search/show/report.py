"""Write one HTML page about a finished or running sweep: its figures, and every trial as a row.

The page stands alone (`atft.drawing.page`): nothing in it is loaded or run, and every word of a config is escaped.
"""

from datetime import datetime

import optuna
from optuna.trial import FrozenTrial

from atft.drawing.page import Html, chart_grid, element, html_page, html_table, joined, section
from atft.files.publish import publish_text
from atft.process.console import plain_console
from atft.search.question.options import SweepOptions
from atft.search.show.arguments import sweep_arguments
from atft.search.show.overview import Overview, overview
from atft.search.show.parameter_scale import short_value
from atft.search.show.report_figures import short_names, sweep_drawings
from atft.search.study.outcome import Outcome, failure_of, is_surplus, outcome_of
from atft.search.study.storage import storage_errors
from atft.search.study.study import open_study


def run(arguments: list[str]) -> int:
    """Write the page and print its path."""
    options, sweep = sweep_arguments("report", (__doc__ or "").partition("\n")[0], arguments)
    path = options.out or sweep.directory / "report.html"
    with storage_errors(sweep):
        study = open_study(sweep)
        page = sweep_page(study, sweep, overview(study, sweep))
    publish_text(path, page)
    plain_console().print(f"{path}", soft_wrap=True)
    return 0


def sweep_page(study: optuna.Study, sweep: SweepOptions, now: Overview) -> str:
    """The whole page as HTML."""
    made_of = f"base config {sweep.base}, sampler {sweep.sampler.name}, pruner {sweep.pruner.name}"
    made = datetime.now().astimezone().isoformat(timespec="seconds")
    identity = f"{made}, study {study.user_attrs.get('study_id')}, data {study.user_attrs.get('data_digest')}"
    lines = [element("li", line) for line in (*now.lines(sweep), made_of)]
    heading = joined(
        (element("h1", f"Sweep {sweep.study}"), element("p", identity, class_="note"), element("ul", *lines))
    )
    drawings = sweep_drawings(study, sweep.metric, "fold" if sweep.folds else "epoch")
    charts = chart_grid(drawings) if drawings else element("p", "No trial has reported a value yet.")
    sections = [section("Charts", charts), section("Trials", _trial_table(study, sweep, now))]
    return html_page(f"Sweep {sweep.study}", heading, sections, ("Charts", "Trials"))


def _trial_table(study: optuna.Study, sweep: SweepOptions, now: Overview) -> Html:
    """Every trial as a row, the best marked, failed ones with their reason."""
    trials = [t for t in study.get_trials(deepcopy=False) if not is_surplus(t)]
    keys = sorted({key for t in trials for key in t.params})
    names = ["trial", "outcome", sweep.metric, "epochs", "minutes", *short_names(keys).values(), "remark"]
    best = now.best.number if now.best is not None else None
    styles = ["best" if t.number == best else outcome_of(t) for t in trials]
    return html_table(names, [_row(t, keys) for t in trials], (1, len(names) - 1), styles)


def _row(trial: FrozenTrial, keys: list[str]) -> list[object]:
    value = trial.value
    if value is None and trial.last_step is not None:
        value = trial.intermediate_values[trial.last_step]
    return [
        trial.number,
        outcome_of(trial),
        "" if value is None else f"{value:+.4f}",
        len(trial.intermediate_values) or "",
        f"{trial.duration.total_seconds() / 60:.1f}" if trial.duration else "",
        *(short_value(trial.params.get(key, "")) for key in keys),
        _remark(trial),
    ]


def _remark(trial: FrozenTrial) -> str:
    parts = [": ".join(failure_of(trial))] if outcome_of(trial) == Outcome.FAILED else []
    if "retry_of" in trial.user_attrs:
        parts.append(f"retry of {trial.user_attrs['retry_of']}")
    if trial.user_attrs.get("halved_batch"):
        parts.append("half the batch")
    return "; ".join(parts)
