"""export: a checkpoint as a program for other runtimes, with the description of what they need to feed it."""

from pathlib import Path
from typing import TYPE_CHECKING

from atft.commands.train import build, load_weights
from atft.errors import InputError, clip, counted

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI
    from atft.export.checked_program import Compared


def run(command: str, arguments: list[str]) -> int:
    """Write the program and its description, and print on what the program was compared with the checkpoint."""
    from atft.process.progress import Progress

    cli = build(command, arguments)
    kind, checkpoint, out = what_to_export(cli)
    with Progress(command):
        compared = write(cli, kind, checkpoint, out)
    print(  # noqa: T201
        f"{out}: {counted(compared.scores, 'score')} of {counted(len(compared.days), 'day')} from "
        f"{compared.days[0]} to {compared.days[-1]}, the "
        f"largest difference to the checkpoint's is {compared.largest:.1e}"
    )
    if compared.exchanged:
        print(  # noqa: T201
            f"{compared.exchanged:,} of them are a step apart: members of the ensemble tie there but for rounding"
        )
    print(f"{out}.json: inputs, order of features, horizons and an example")  # noqa: T201
    return 0


def what_to_export(cli: "RankingCLI") -> tuple[str, Path, Path]:
    """The format, the checkpoint, and the file to write: by default beside the checkpoint.

    Raises:
        InputError: there is no checkpoint or no format, or the suffix is of another format.
    """
    from atft.commands.resume import resume_path
    from atft.export.formats import FORMATS

    asked, kind, out = resume_path(cli), cli.config.get("to"), cli.config.get("out")
    if asked is None:
        raise InputError("export needs --ckpt_path FILE (or last): an untrained network is no use elsewhere")
    kind = kind or ("" if out is None else Path(out).suffix[1:])
    if kind not in FORMATS:
        raise InputError("export needs --to pt2 or --to onnx" + (f", got {clip(kind, 40)!r}" if kind else ""))
    checkpoint = Path(asked)
    path = checkpoint.with_suffix(f".{kind}") if out is None else Path(out)
    if path.suffix != f".{kind}":
        raise InputError(f"--out {out}: a program of --to {kind} ends in .{kind}")
    return kind, checkpoint, path


def write(cli: "RankingCLI", kind: str, checkpoint: Path, out: Path) -> "Compared":
    """Load the checkpoint, export it and write both files; what was compared."""
    from atft import __version__
    from atft.export.checked_program import export_program
    from atft.files.digest import text_digest

    task = cli.model
    load_weights(task, checkpoint)
    facts = {
        "program": out.name,
        "written_by": f"atft {__version__}",
        "checkpoint": {"file": checkpoint.name, "digest": text_digest(checkpoint.read_bytes())},
        "network": f"{type(task.network).__module__}.{type(task.network).__qualname__}",
        "target_unit": task.objective.options.target,
    }
    return export_program(task, cli.datamodule, kind, out, cli.datamodule.seed, facts)
