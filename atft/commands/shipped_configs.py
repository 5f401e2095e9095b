"""configs: the configs that atft ships, by name; what a name in ``--config`` or a sweep's ``base`` stands for.

In a clone they are ``configs/`` and ``hpo/`` at its top; a wheel has both folders inside of the package. A file
comes before a shipped config of its name, and a name that could mean two files is an error: a copy that somebody
has changed is never overlooked.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from atft.errors import InputError, nearest

FOLDERS = {"fit": "configs", "sweep": "hpo"}
"""Command that takes a config -> the folder of those that are shipped for it."""
NAME = re.compile(r"[\w-]{1,60}")

HELP = """\
Configs that atft ships. Run one by its name, or copy it and change the copy:

  python -m atft fit --config quickstart
  python -m atft configs quickstart > mine.yaml
  python -m atft fit --config mine.yaml

{lists}

Their files are in {folders}
A path inside a config is relative to the folder in which the command runs; base of a sweep, to the sweep's file.
A file called NAME wins over the shipped config. If there is a NAME.yaml, the command stops and asks which one.\
"""


def run(command: str, arguments: Sequence[str]) -> int:
    """List the shipped configs, or print the one that is named."""
    files = {name: path for taker in FOLDERS for name, path in shipped_configs(taker).items()}
    if not arguments or {"-h", "--help"} & set(arguments):
        print(list_configs())  # noqa: T201
        return 0
    if len(arguments) > 1 or arguments[0] not in files:
        raise InputError(f"{command}: no config {' '.join(arguments)!r:.60}{nearest(arguments[0], files)}")
    print(files[arguments[0]].read_text(encoding="utf-8"), end="")  # noqa: T201
    return 0


def list_configs() -> str:
    """The text of ``python -m atft configs``: each name with its file's first sentence."""
    lists = []
    for taker in FOLDERS:
        lines = [f"  {name:<20}{first_sentence(path)}" for name, path in shipped_configs(taker).items()]
        lists.append("\n".join([f"python -m atft {taker} --config NAME", *lines]))
    folders = " and ".join(str(_folder(taker)) for taker in FOLDERS)
    return HELP.format(lists="\n\n".join(lists), folders=folders)


def first_sentence(path: Path) -> str:
    """The first sentence of a config's opening comment."""
    with path.open(encoding="utf-8") as file:
        line = file.readline().lstrip("# ").rstrip()
    return re.split(r"(?<=[.?]) ", line)[0]


def shipped_configs(command: str) -> dict[str, Path]:
    """The configs that are shipped for ``fit`` or ``sweep``, name -> file."""
    return {path.stem: path for path in sorted(_folder(command).glob("*.yaml"))}


def _folder(command: str) -> Path:
    package = Path(__file__).parents[1]
    inside = package / "shipped"  # of a wheel; see pyproject.toml
    return (inside if inside.is_dir() else package.parent) / FOLDERS[command]


def config_path(text: str, command: str = "fit") -> Path:
    """The file that ``--config`` means: the file of that name, else the shipped config.

    Args:
        text: what stands after ``--config``; only letters, digits, ``-`` and ``_`` can name a shipped config.
        command: fit or sweep, which take different ones.

    Raises:
        InputError: no config has this name, it is one of the other command, or ``NAME.yaml`` is here too.
    """
    path = Path(text)
    if not NAME.fullmatch(text) or path.is_file():
        return path
    files, beside = shipped_configs(command), path.with_suffix(".yaml")
    if text in files and beside.is_file():
        raise InputError(f"--config {text} is shipped, {beside} is here: write {beside} or {files[text]}")
    for taker in FOLDERS:
        if text not in files and text in shipped_configs(taker):
            raise InputError(
                f"--config {text} is for another command: python -m atft {taker} --config {text}"
            )
    if text not in files:
        known = [*files, str(beside)] if beside.is_file() else files
        raise InputError(f"--config {text}: no such file, and no shipped config{nearest(text, known)}")
    return files[text]


def base_path(text: str, folder: Path) -> Path:
    """The training config that ``base`` of a sweep means: a file relative to ``folder``, else the shipped config.

    A file that is not there is no error here: a study trains from its own copy.

    Raises:
        InputError: it is relative to the working directory instead; the message has the right path.
    """
    path = folder / Path(text).expanduser()
    if path.is_file():
        return path
    if Path(text).is_file():
        raise InputError(f"base is relative to the sweep's file; write {os.path.relpath(text, folder)}")
    return shipped_configs("fit").get(text, path)
