"""The base config of a study, frozen when the study is made: ``<root>/<study>/base.yaml``, a copy of its text.

All trials of a study must train one question, and the file that the sweep names may be edited while the sweep runs.
So workers compose their trials from the copy, and each trial compares it with the digest in the study's attributes.
Several machines that share no disk each keep a copy, made from a file of the same content.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.digest import json_digest
from atft.errors import InputError
from atft.publish import publish_text
from atft.search.question.options import SweepOptions
from atft.yaml_text import mapping_of, read_mapping

if TYPE_CHECKING:
    import optuna

DIGEST = "base_digest"
"""The study's attribute: digest of the base config's keys and values, whatever its comments and layout."""


def base_file(sweep: SweepOptions) -> Path:
    """Where the study's copy of its base config is."""
    return Path(sweep.root) / sweep.study / "base.yaml"


def freeze(sweep: SweepOptions, study: "optuna.Study") -> SweepOptions:
    """Copy the base config into the study, where it has no copy here yet; return the sweep over that copy.

    Args:
        sweep: names the base config.
        study: made or opened for the sweep; the first call sets its digest.

    Raises:
        InputError: the base config is not the one that the study was made with, and there is no copy of that here.
    """
    path, digest = base_file(sweep), study.user_attrs.get(DIGEST)
    if digest is None or not path.is_file():
        text = Path(sweep.base).read_text(encoding="utf-8")
        now = digest_of(mapping_of(text, sweep.base))
        if digest not in (None, now):
            raise InputError(
                f"{sweep.base}: changed since study {sweep.study} was made; restore it, or copy {path} from the "
                f"machine that made the study"
            )
        publish_text(path, text)
        study.set_user_attr(DIGEST, now)
    return frozen(sweep)


def frozen(sweep: SweepOptions) -> SweepOptions:
    """The sweep over the study's own copy of the base config."""
    return replace(sweep, base=str(base_file(sweep)))


def check_frozen(sweep: SweepOptions, study: "optuna.Study") -> None:
    """Check that a trial is about to be composed from what the study was made with.

    Raises:
        InputError: the file that the sweep's ``base`` names holds something else.
    """
    digest = study.user_attrs.get(DIGEST)
    if digest is not None and digest_of(read_mapping(Path(sweep.base))) != digest:
        raise InputError(f"{sweep.base}: edited since study {sweep.study} was made; restore it")


def digest_of(base: Mapping[str, Any]) -> str:
    """Digest of a base config's keys and values."""
    return json_digest(base)


class BaseWatch:
    """Notices that the base config on the disk is no longer the one that a running sweep trains.

    Args:
        sweep: names the base config on the disk.
        study: keeps the digest of the frozen one.
    """

    def __init__(self, sweep: SweepOptions, study: "optuna.Study") -> None:
        self._path, self._copy = Path(sweep.base), base_file(sweep)
        self._digest = study.user_attrs.get(DIGEST)
        self._seen: int | None = None

    def line(self) -> str | None:
        """What to tell the user, once; None while there is nothing to tell, and after that."""
        try:
            written = self._path.stat().st_mtime_ns
            if self._digest is None or written == self._seen:
                return None
            self._seen = written
            same = digest_of(read_mapping(self._path)) == self._digest
        except (OSError, InputError):
            same = False  # gone, or half written
        if same:
            return None
        self._digest = None
        return f"{self._path} no longer matches this study; its trials go on with {self._copy}"
