"""explain: why a stock has its score on a day, or which features decide the scores of a period."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.commands.arguments import read_count, take_options
from atft.commands.train import build, load_weights
from atft.errors import InputError
from atft.evaluation.importance_file import KIND
from atft.files.publish import publish_text, read_json

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI

HELP = """\
usage: python -m atft explain --run RUN --code CODE --date DATE [options]
       python -m atft explain --run RUN --from DATE --to DATE [options]

Explain the score of a stock: what each feature adds compared with the day's median stock (integrated gradients,
which sum to the difference of the two scores), on which days of the window, and how much its neighbours weigh. Or
find which features decide the scores of a period. Prints a table, writes a JSON file and a picture. Needs:
pip install 'atft[explain]'

  python -m atft explain --run lightning_logs/mine/version_0 --code AAPL --date 2017-06-30
  python -m atft explain --run lightning_logs/mine/version_0 --from 2016-01-01 --to 2016-12-31

  --run RUN        directory of a run of fit, or a checkpoint of one
  --code CODE      the stock
  --date DATE      the day; the stock must be in its universe
  --from, --to     first and last day of a period, of which --days are explained, evenly spaced
  --days N         days of the period to explain; default 20
  --horizon N      trading days ahead; default: the shortest; for a period, all
  --top N          rows of each table and bars of each picture; default 15
  --out FILE       .json file to write, the picture beside it; default: explain/CODE_DATE_HORIZON.json of the run,
                   for a period its importance.json, which report shows. Required if a key names other data
  --KEY VALUE      any key of predict, for instance --data.panel.path of a newer panel

How to read it: docs/explain.md
"""
OPTIONS = {"run": None, "code": None, "date": None, "from": None, "to": None, "out": None}
COUNTS = {"days": None, "horizon": None, "top": "15"}
"""Options that are texts, and those that are whole numbers, with their defaults."""
PERIOD_DAYS = 20
OPTION_NAMES = tuple(f"--{name}" for name in (*OPTIONS, *COUNTS))


def run(_: str, arguments: list[str]) -> int:
    """Explain what the arguments name, print it, and write the JSON file and the picture."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(HELP, end="")  # noqa: T201
        return 0
    options: dict[str, Any] = OPTIONS | COUNTS
    taken, keys = take_options(arguments, *OPTION_NAMES)
    options |= dict(taken)
    of_stock, of_period = ("code", "date"), ("from", "to")
    named = {name for name in (*of_stock, *of_period) if options[name] is not None}
    if options["run"] is None or named not in (set(of_stock), set(of_period)):
        raise InputError("explain needs --run RUN, and --code CODE --date DATE or --from DATE --to DATE")
    if any(word.partition("=")[0] == "--ckpt_path" for word in keys):
        raise InputError(
            "--ckpt_path: --run names what is explained, a directory or a checkpoint; leave it out"
        )
    if "code" in named and options["days"] is not None:
        raise InputError("--days counts the days of a period, --code and --date name one day; leave it out")
    for name in COUNTS:
        if options[name] is not None:
            options[name] = read_count(f"--{name}", options[name])
    from atft.process.optional import load_optional
    from atft.process.progress import Progress

    load_optional("captum.attr", "explain")  # its absence shows before the panel is read
    checkpoint = find_checkpoint_of(Path(options["run"]))
    out = None if options["out"] is None else check_json(Path(options["out"]))
    if out is None and "code" not in named:
        check_own_data(keys)
    cli = build("predict", ["--ckpt_path", str(checkpoint), *keys])
    load_weights(cli.model, checkpoint)
    with Progress("explain"):
        explain = explain_one_stock if "code" in named else explain_a_period
        print(explain(cli, checkpoint, options, out))  # noqa: T201
    return 0


def explain_one_stock(cli: "RankingCLI", checkpoint: Path, options: dict[str, Any], out: Path | None) -> str:
    """Explain a stock on a day, write both files, and return the text."""
    from atft.explain.explain_stock import explain_stock
    from atft.explain.explanation_text import stock_text
    from atft.explain.pictures import stock_picture

    code, day, horizon, top = (options[name] for name in ("code", "date", "horizon", "top"))
    explanation = explain_stock(cli.model, cli.datamodule, code, day, horizon)
    if out is None:
        # A code may have any character; a file's name may not.
        name = re.sub(r"[^\w.-]", "_", f"{explanation.code}_{explanation.date}_{explanation.horizon}d")
        out = checkpoint.parent / "explain" / f"{name}.json"
    content = {"checkpoint": str(checkpoint), **asdict(explanation), "difference": explanation.difference}
    text = json.dumps({KIND: "stock", **content}, indent=1, allow_nan=False, default=str)
    return _written(out, text, stock_picture(explanation, top), stock_text(explanation, top))


def explain_a_period(cli: "RankingCLI", checkpoint: Path, options: dict[str, Any], out: Path | None) -> str:
    """Find the features that decide a period's scores, write both files, and return the text."""
    from atft.evaluation.importance_file import NAME, importance_json
    from atft.explain.explain_period import explain_period
    from atft.explain.explanation_text import importance_text
    from atft.explain.pictures import importance_picture

    period = [options["from"], options["to"]]
    importance = explain_period(
        cli.model, cli.datamodule, period, checkpoint, options["horizon"], options["days"] or PERIOD_DAYS
    )
    text, top = importance_json(importance), options["top"]
    out = out or checkpoint.parent / NAME
    return _written(out, text, importance_picture(importance, top), importance_text(importance, top))


def _written(out: Path, content: str, picture: str, text: str) -> str:
    publish_text(out, content + "\n")
    publish_text(out.with_suffix(".svg"), picture)
    return f"{text}\n\n{out}\n{out.with_suffix('.svg')}"


def find_checkpoint_of(run: Path) -> Path:
    """The checkpoint of a run's directory, or of its file.

    Raises:
        InputError: there is no run, it is a baseline's, has kept no checkpoint, or has not ended.
    """
    from atft.runs.run_files import read_run

    if run.is_file():
        return run
    if (run / "baseline.json").is_file():
        raise InputError(f"--run {run}: a baseline has no network to explain; name a run of fit")
    found = read_run(run)
    checkpoint = found.checkpoint
    if checkpoint is None:
        raise InputError(f"--run {run}: the run has kept no checkpoint; name another one")
    if found.receipt.status == "running":
        raise InputError(
            f"--run {run}: still training, or killed; finish it, as fit --ckpt_path last does, or name the "
            f"weights as they are, --run {checkpoint}"
        )
    return checkpoint


def check_own_data(keys: list[str]) -> None:
    """Check that no key of ``predict`` names other data than the run's, whose importance its report shows."""
    for word in keys:
        key = word.partition("=")[0]
        if key == "--config" or (key.startswith("--data.") and not key.startswith("--data.cache.")):
            raise InputError(
                f"{key}: importance.json beside the checkpoint is of the run's own data; name another file by --out"
            )


def check_json(out: Path) -> Path:
    """Check that an explanation may be written to a file that the user names; an earlier one is replaced.

    Raises:
        InputError: another suffix than .json, or the file or its picture is there and is no explanation.
    """
    if out.suffix != ".json":
        raise InputError(f"--out {out}: the suffix must be .json; the picture is written beside it")
    picture = out.with_suffix(".svg")
    if (out.exists() or picture.exists()) and KIND not in (read_json(out) or {}):
        raise InputError(
            f"--out {out}: it or {picture.name} exists and is not an explanation; name another file"
        )
    return out
