"""`atft sweep report`: one HTML page about a finished or running sweep: its figures, and every trial as a row.

The page stands alone: figures are pictures inside of it, and nothing in it is loaded or run. Every word that comes
from a config is escaped.
"""

from base64 import b64encode
from datetime import datetime
from html import escape

import optuna
from optuna.trial import FrozenTrial
from rich.console import Console

from atft.publish import publish_text
from atft.search.question.options import SweepOptions
from atft.search.show.arguments import sweep_arguments
from atft.search.show.overview import Overview, overview
from atft.search.show.report_figures import Drawn, figures, short_names
from atft.search.study.outcome import Outcome, failure_of, is_surplus, outcome_of
from atft.search.study.study import open_study

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222 }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { padding: .25em .7em; text-align: right; border-bottom: 1px solid #eee }
th { position: sticky; top: 0; background: #fff } img { width: 100% }
td.word, th.word { text-align: left } .best td { font-weight: bold; background: #eef6ff } .failed td { color: #a33 }
.wide { overflow-x: auto } p.note { color: #666; font-size: 13px }
"""


def run(arguments: list[str]) -> int:
    """Write the page and print its path."""
    options, sweep = sweep_arguments("report", __doc__.partition("\n")[0], arguments)
    study = open_study(sweep, create=False)
    path = options.out or sweep.directory / "report.html"
    publish_text(path, page(study, sweep, overview(study, sweep)))
    Console(highlight=False).print(f"{path}", soft_wrap=True)
    return 0


def page(study: optuna.Study, sweep: SweepOptions, now: Overview) -> str:
    """The whole page as HTML."""
    sections = "\n".join(map(_section, figures(study, sweep.metric, "fold" if sweep.folds else "epoch")))
    made_of = f"base config {sweep.base}, sampler {sweep.sampler.name}, pruner {sweep.pruner.name}"
    lines = "".join(f"<li>{escape(line)}</li>" for line in [*now.lines(sweep), made_of])
    made = datetime.now().astimezone().isoformat(timespec="seconds")
    study_id, data = (escape(str(study.user_attrs.get(key, ""))) for key in ("study_id", "data_digest"))
    return f"""\
<!doctype html>
<html lang=en><head><meta charset=utf-8><title>{escape(sweep.study)}</title><style>{STYLE}</style></head>
<body>
<h1>Sweep {escape(sweep.study)}</h1>
<ul>{lines}</ul>
{sections}
<h2>Trials</h2>
{_trial_table(study, sweep, now)}
<p class=note>{escape(made)}, study {study_id}, data {data}</p>
</body></html>
"""


def _section(figure: Drawn) -> str:
    title, note = escape(figure.title), escape(figure.note)
    picture = f"data:image/svg+xml;base64,{b64encode(figure.svg).decode()}"
    return f'<h2>{title}</h2>\n<p class=note>{note}</p>\n<img alt="{title}. {note}" src="{picture}">'


def _trial_table(study: optuna.Study, sweep: SweepOptions, now: Overview) -> str:
    """Every trial as a row, the best marked, failed ones with their reason."""
    trials = [t for t in study.get_trials(deepcopy=False) if not is_surplus(t)]
    keys = sorted({key for t in trials for key in t.params})
    names = ["trial", "outcome", sweep.metric, "epochs", "minutes", *short_names(keys).values()]
    head = "".join(f"<th>{escape(name)}</th>" for name in names) + "<th class=word>remark</th>"
    best = now.best.number if now.best is not None else None
    rows = "\n".join(_row(t, keys, "best" if t.number == best else outcome_of(t)) for t in trials)
    return f"<div class=wide><table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>"


def _row(trial: FrozenTrial, keys: list[str], style: str) -> str:
    value = trial.value
    if value is None and trial.last_step is not None:
        value = trial.intermediate_values[trial.last_step]
    cells = [
        str(trial.number),
        outcome_of(trial),
        "" if value is None else f"{value:+.4f}",
        str(len(trial.intermediate_values) or ""),
        f"{trial.duration.total_seconds() / 60:.1f}" if trial.duration else "",
        *(_short(trial.params.get(key, "")) for key in keys),
    ]
    inner = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f"<tr class={style}>{inner}<td class=word>{escape(_remark(trial))}</td></tr>"


def _remark(trial: FrozenTrial) -> str:
    parts = [": ".join(failure_of(trial))] if outcome_of(trial) == Outcome.FAILED else []
    if "retry_of" in trial.user_attrs:
        parts.append(f"retry of {trial.user_attrs['retry_of']}")
    if trial.user_attrs.get("halved_batch"):
        parts.append("half the batch")
    return "; ".join(parts)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).rpartition(".")[2]
