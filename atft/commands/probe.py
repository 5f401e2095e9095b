"""probe: find leaks in a panel, in a predictions file, or in what a config makes of its panel."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from atft.commands.arguments import dataclass_of, read_words, take_options
from atft.errors import InputError
from atft.panel import PanelSchema

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from atft.probes.finding import Finding

HELP = """\
usage: python -m atft probe --panel FILE | --predictions FILE | --config FILE [options]

Find leaks by machine: does anything know what comes after its day? The exit status is 1 if a leak was found.

  python -m atft probe --panel panels/mine.parquet                  columns, labels, universe, rows of a panel
  python -m atft probe --panel new.parquet --earlier old.parquet    the same, and changed rows of the past
  python -m atft probe --predictions scores.parquet --panel FILE    scores, and missing rows
  python -m atft probe --config quickstart                          panel, cache, scaling, batches, scores, purge

  --panel FILE        a Parquet file, a folder of them, or a glob
  --predictions FILE  as for evaluate: date, code, score, target and, if there are several, horizon
  --split NAME        rows of this split of the predictions; default: those of test if the file has it, else all
  --config FILE       a config of fit, or the name of a shipped one; any key of fit may follow. Beside --panel it
                      only names the panel's columns
  --earlier FILE      the same panel made from data up to an earlier day: past values that differ are a leak
  --prices FILE       daily prices: features made from them must not change when later prices do
  --horizons LIST     horizons of the targets in trading days, [1, 5]; default: all that the panel has
  --json FILE         also write the findings to this file
  --KEY VALUE         a role of a panel's columns: date, first_era, code, features, exclude, targets, target_unit,
                      delayed_targets, label_end, lag, sector, universe, exposures, regime, context, return_1d,
                      oracle

What each probe looks for, and how often it is wrong: docs/probes.md
"""
TEXTS = ("panel", "predictions", "split", "earlier", "prices", "json")


def run(command: str, arguments: list[str]) -> int:
    """Run the probes that the arguments ask for, print their findings, and write them where asked to."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(HELP, end="")  # noqa: T201
        return 0
    from atft.probes.finding import finding_lines, leaks, summary_line, write_findings

    named = {word.name for word in read_words(arguments)}
    if named & {"--panel", "--predictions"}:
        findings, out = _probe_files(command, arguments)
    elif "--config" in named:
        findings, out = _probe_config(arguments)
    else:
        raise InputError("probe needs --panel FILE, --predictions FILE or --config FILE")
    print("\n".join([*finding_lines(findings), "", summary_line(findings)]))  # noqa: T201
    if out is not None:
        write_findings(out, findings)
    return 1 if leaks(findings) else 0


def probe_parser() -> "ArgumentParser":
    """The parser of a panel's or a predictions file's probes."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(prog="python -m atft probe", exit_on_error=False, allow_abbrev=False)
    parser.add_argument(
        "--config", type=str | None, default=None, help="Config that names the panel's columns."
    )
    for name in TEXTS:
        parser.add_argument(f"--{name}", type=str | None, default=None)
    parser.add_argument("--horizons", type=list[int], default=[])
    parser.add_argument(
        "--threads", type=int | None, default=None, help="Most threads of each numerical library."
    )
    parser.add_class_arguments(PanelSchema, None)
    return parser


def _probe_files(command: str, arguments: list[str]) -> tuple[list["Finding"], Path | None]:
    from atft.commands.config_keys import parse
    from atft.probes.panel_probes import panel_findings
    from atft.probes.prediction_probes import prediction_findings
    from atft.probes.price_probes import earlier_panel_finding, price_finding
    from atft.process.progress import Progress

    configs, words = take_options(arguments, "--config")
    # Before the command's own words, which win.
    columns = _panel_words([file for _, file in configs])
    if {"--predictions", "--horizons"} <= {word.name for word in read_words(words)}:
        raise InputError("--horizons are of a panel; a predictions file has its own, leave it out")
    values = parse(probe_parser(), [*columns, *words], command).as_dict()
    if values["split"] is not None and values["predictions"] is None:
        raise InputError("--split is of a predictions file; give --predictions FILE, or leave it out")
    schema = dataclass_of(PanelSchema, values)
    panel, predictions, earlier = values["panel"], values["predictions"], values["earlier"]
    if earlier is not None and panel is None:
        raise InputError("--earlier FILE needs --panel FILE, which it is compared with")
    findings: list[Finding] = []
    with Progress("probe"):
        if predictions is not None:
            findings += prediction_findings(Path(predictions), panel, schema, values["split"])
        else:
            findings += panel_findings(panel, schema, values["horizons"])
        if earlier is not None:
            findings.append(earlier_panel_finding(earlier, panel, schema))
        if values["prices"] is not None:
            findings.append(price_finding(Path(values["prices"])))
    return findings, None if values["json"] is None else Path(values["json"])


def _probe_config(arguments: list[str]) -> tuple[list["Finding"], Path | None]:
    from atft.commands.train import build
    from atft.probes.panel_probes import panel_findings
    from atft.probes.pipeline_probes import pipeline_findings
    from atft.probes.price_probes import price_finding
    from atft.process.progress import Progress
    from atft.tasks.panel_source import panel_path

    taken, words = take_options(arguments, "--json", "--prices")
    files = dict(taken)
    cli = build("fit", words, quiet=True)
    data = cli.datamodule
    with Progress("probe"):
        findings = pipeline_findings(cli.model, data)
        path = panel_path(data.panel, data.cache_options.dir)
        findings += panel_findings(path, data.panel.schema, data.horizons)
        if "prices" in files:
            findings.append(price_finding(Path(files["prices"])))
    return findings, Path(files["json"]) if "json" in files else None


def _panel_words(configs: Sequence[str]) -> list[str]:
    """The columns' roles and the horizons of training configs, as words of this command."""
    from atft.commands.from_prices import keys_of_words

    keys = keys_of_words([word for config in configs for word in ("--config", config)])
    schema, horizons = "data.panel.schema.", "model.horizons"
    named = {key.removeprefix(schema): value for key, value in keys.items() if key.startswith(schema)}
    if keys.get(horizons):
        named["horizons"] = keys[horizons]
    # A name is given as it is: one in quotes would be another name.
    return [f"--{name}={v if isinstance(v, str) else json.dumps(v)}" for name, v in named.items()]
