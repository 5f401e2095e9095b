"""`sweep.py report`: one HTML page with everything a finished or running sweep has to say.

The page stands alone: figures can be hovered and zoomed without a network, since the drawing library lies inside
(about 5 MB). Every word that comes from a config is escaped.
"""

import argparse
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from atft.publish import publish_text
from atft.search.show.overview import Overview, overview
from atft.search.show.report_figures import figures, short_names
from atft.search.study.outcome import Outcome, failure_of, is_surplus, outcome_of

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from atft.search.question.options import SweepOptions

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222 }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { padding: .25em .7em; text-align: right; border-bottom: 1px solid #eee }
th { position: sticky; top: 0; background: #fff }
td.word, th.word { text-align: left } .best td { font-weight: bold; background: #eef6ff } .failed td { color: #a33 }
.wide { overflow-x: auto } p.note { color: #666; font-size: 13px }
"""


def run(arguments: list[str]) -> int:
    """Write the page and say where it is.

    Args:
        arguments: what follows ``sweep.py report``.

    Raises:
        InputError: there is no such sweep or study.
    """
    parser = argparse.ArgumentParser("sweep.py report", description=__doc__.partition("\n")[0])
    parser.add_argument("--config", required=True, type=Path, help="the sweep, for instance hpo/quick.yaml")
    parser.add_argument("--storage", help="URL of the storage, in place of the sweep's")
    parser.add_argument(
        "--out", type=Path, help="file to write; report.html in the study's directory by default"
    )
    given = parser.parse_args(arguments)
    from rich.console import Console

    from atft.search.question.options import read_sweep
    from atft.search.study.study import open_study

    changes = {"storage": given.storage} if given.storage else {}
    sweep = read_sweep(given.config, changes)
    study = open_study(sweep, create=False)
    seen = overview(study, sweep)
    path = given.out or seen.directory / "report.html"
    publish_text(path, page(study, sweep, seen))
    Console(highlight=False).print(f"{path}", soft_wrap=True)
    return 0


def page(study: "optuna.Study", sweep: "SweepOptions", seen: Overview) -> str:
    """The whole page as HTML.

    Args:
        study: opened from the sweep's storage.
        sweep: its options.
        seen: where it stands.
    """
    from plotly.offline import get_plotlyjs

    drawn = figures(study, seen.metric, "fold" if sweep.folds else "epoch")
    sections = "\n".join(
        f"<h2>{escape(f.title)}</h2>\n<p class=note>{escape(f.says)}</p>\n{f.html}" for f in drawn
    )
    made = datetime.now().astimezone().isoformat(timespec="seconds")
    return (
        f"<!doctype html>\n<html lang=en><head><meta charset=utf-8><title>{escape(seen.study)}</title>"
        f"<style>{STYLE}</style>\n<script>{get_plotlyjs()}</script></head>\n<body>\n"
        f"<h1>Sweep {escape(seen.study)}</h1>\n{_summary(seen, sweep)}\n{sections}\n"
        f"<h2>Trials</h2>\n{trial_table(study, seen)}\n"
        f"<p class=note>{escape(made)}, study {escape(str(study.user_attrs.get('study_id', '')))}, "
        f"data {escape(str(study.user_attrs.get('data_digest', '')))}</p>\n</body></html>\n"
    )


def _summary(seen: Overview, sweep: "SweepOptions") -> str:
    states = ", ".join(f"{count} {name}" for name, count in sorted(seen.states.items()) if count)
    lines = [f"{seen.state}: {seen.finished} of {seen.n_trials} trials finished ({states})"]
    if seen.failures:
        lines.append("failures: " + ", ".join(f"{n} {kind}" for kind, n in sorted(seen.failures.items())))
    if seen.best_value is not None:
        goal = "highest" if seen.maximize else "lowest"
        lines.append(f"{goal} {seen.metric}: {seen.best_value:+.4f}, trial {seen.best_number}")
    if seen.deflated is not None:
        lines.append(
            f"expected of it after selection: {seen.deflated.expected:+.4f}. The best of {seen.finished} equally "
            f"good trials with this spread would lie {seen.deflated.luck:.4f} from their mean by luck alone "
            f"(Bailey and Lopez de Prado 2014); the truth lies between the two numbers."
        )
    lines.append(f"base config {sweep.base}, sampler {sweep.sampler.name}, pruner {sweep.pruner.name}")
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def trial_table(study: "optuna.Study", seen: Overview) -> str:
    """Every trial as a row, the best marked, failed ones with their reason."""
    trials = study.get_trials(deepcopy=False)
    keys = sorted({key for t in trials for key in t.params})
    names = ["trial", "state", seen.metric, "epochs", "minutes", *short_names(keys).values()]
    head = "".join(f"<th>{escape(name)}</th>" for name in names) + "<th class=word>remark</th>"
    rows = "\n".join(_row(t, keys, t.number == seen.best_number) for t in trials if not is_surplus(t))
    return f"<div class=wide><table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>"


def _row(trial: "FrozenTrial", keys: list[str], best: bool) -> str:
    state = outcome_of(trial)
    value = trial.value if trial.value is not None else None
    if value is None and trial.intermediate_values:
        value = trial.intermediate_values[max(trial.intermediate_values)]
    minutes = ""
    if trial.datetime_start and trial.datetime_complete:
        minutes = f"{(trial.datetime_complete - trial.datetime_start).total_seconds() / 60:.1f}"
    cells = [
        str(trial.number),
        state,
        "" if value is None else f"{value:+.4f}",
        str(len(trial.intermediate_values) or ""),
        minutes,
        *(_short(trial.params.get(key, "")) for key in keys),
    ]
    mark = " class=best" if best else " class=failed" if state == "failed" else ""
    inner = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f"<tr{mark}>{inner}<td class=word>{escape(_remark(trial))}</td></tr>"


def _remark(trial: "FrozenTrial") -> str:
    parts = []
    if outcome_of(trial) == Outcome.FAILED:
        parts.append(": ".join(failure_of(trial)))
    if "retry_of" in trial.user_attrs:
        parts.append(f"retry of {trial.user_attrs['retry_of']}")
    if trial.user_attrs.get("halved_batch"):
        parts.append("half the batch")
    return "; ".join(parts)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).rpartition(".")[2]
