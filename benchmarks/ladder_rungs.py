"""The rungs of `benchmarks/market_ladder.py`: what a YAML file says of each, and the commands that make it.

A rung is trained (a network by ``crossval``, a baseline by ``baseline``, a fold and seed at a time), a file that
is there, or made of other rungs: ``blend`` is the mean of their ranks, ``stack`` a ridge on them. Each trained rung
has a folder with the keys that it was made with; what is there is not made again.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from atft.commands.shipped_configs import config_path
from atft.errors import InputError, listed, nearest
from atft.files.digest import json_digest
from atft.files.publish import publish_json
from atft.files.yaml_text import is_inside, read_mapping
from atft.runs.machine_keys import MACHINE_KEYS
from atft.tasks.baseline_scores import BASELINES

LADDER_KEYS = ("config", "keys", "seeds", "reference", "mean", "rungs")
RUNG_KEYS = ("config", "keys", "seeds", "model", "file", "blend", "stack")
KINDS = ("model", "file", "blend", "stack")
RUN_FILE = re.compile(r"fold_(\d+)_seed_(\d+)\.parquet")
"""Of `benchmarks/lightgbm_sweep.py`."""
RECORD, PREDICTIONS, FOLDS = "rung.json", "predictions.parquet", "folds.json"


class Part(NamedTuple):
    """A predictions file of one fold and seed, or of several, which its columns then name."""

    fold: int | None
    seed: int | None
    path: Path


@dataclass(frozen=True)
class Rung:
    """What one rung is; without ``model``, ``file``, ``blend`` and ``stack`` the network of its config."""

    name: str
    config: tuple[str, ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 1
    model: str | None = None
    file: Path | None = None
    blend: tuple[str, ...] = ()
    stack: tuple[str, ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """The rungs that it is made of."""
        return self.blend or self.stack

    @property
    def folder_name(self) -> str:
        """Its name as a folder's."""
        return re.sub(r"[^\w.-]+", "_", self.name)


@dataclass(frozen=True)
class Ladder:
    """All rungs, the one that the others are compared with, and the horizons that the mean is over."""

    rungs: dict[str, Rung]
    reference: str
    mean: tuple[int, ...]

    def only(self, names: Sequence[str]) -> "Ladder":
        """These rungs with their members and the reference; all of them without names."""
        wanted = {self.reference, *names} if names else set(self.rungs)
        for name in names:
            if name not in self.rungs:
                raise InputError(f"--only: no rung is called {name!r}{nearest(name, self.rungs)}")
        # A member comes before what is made of it.
        for name in reversed(self.rungs):
            wanted |= set(self.rungs[name].members) if name in wanted else set()
        return Ladder({n: r for n, r in self.rungs.items() if n in wanted}, self.reference, self.mean)


def read_ladder(path: Path, seeds: int | None = None) -> Ladder:
    """Read the rungs from YAML.

    Args:
        path: a file such as ``benchmarks/market_ladder.yaml``, whose head describes the keys.
        seeds: of each rung that does not say so itself, in place of the file's ``seeds``.

    Raises InputError where a key or a member is unknown, or a rung is two kinds at once.
    """
    content = read_mapping(path)
    _check_keys(content, LADDER_KEYS, str(path))
    shared = {"config": content.get("config", "nasdaq"), "seeds": seeds or content.get("seeds", 1)}
    rungs: dict[str, Rung] = {}
    for name, said in (content.get("rungs") or {}).items():
        where = f"{path}: rung {name!r}"
        values = {"file": said} if isinstance(said, str) else dict(said or {})
        _check_keys(values, RUNG_KEYS, where)
        if len(kinds := [kind for kind in KINDS if kind in values]) > 1:
            raise InputError(f"{where}: it is {' and '.join(kinds)}; keep one")
        if "model" in values and values["model"] not in BASELINES:
            raise InputError(f"{where}: model takes {listed(BASELINES)}, got {values['model']!r}")
        for kind in ("blend", "stack"):
            members = values.get(kind, [])
            for member in members:
                if member not in rungs:
                    raise InputError(f"{where}: {kind} needs a rung before it{nearest(str(member), rungs)}")
            if kind in values and len(members) < 2:
                raise InputError(f"{where}: {kind} needs at least two rungs, got {members}")
        settings = shared | values
        config = settings["config"]
        rungs[name] = Rung(
            name=name,
            config=(config,) if isinstance(config, str) else tuple(config),
            keys={**(content.get("keys") or {}), **(values.get("keys") or {})},
            # Nothing in a ridge is random.
            seeds=1 if values.get("model") == "ridge" else int(settings["seeds"]),
            model=values.get("model"),
            file=Path(values["file"]) if "file" in values else None,
            blend=tuple(values.get("blend", ())),
            stack=tuple(values.get("stack", ())),
        )
    return _checked(rungs, content, path)


def _checked(rungs: dict[str, Rung], content: Mapping[str, Any], path: Path) -> Ladder:
    reference = content.get("reference", "lightgbm")
    if reference not in rungs or rungs[reference].members:
        raise InputError(
            f"{path}: reference {reference!r} must be a trained rung or a file{nearest(reference, rungs)}"
        )
    folders = [rung.folder_name for rung in rungs.values()]
    for name, rung in rungs.items():
        if folders.count(rung.folder_name) > 1:
            raise InputError(
                f"{path}: rung {name!r} and another one have the folder {rung.folder_name}; rename it"
            )
    return Ladder(rungs, reference, tuple(content.get("mean", (1, 5, 20))))


def _check_keys(content: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in content:
        if key not in known:
            raise InputError(f"{where}: no key {key!r}{nearest(str(key), known)}")


class Maker(NamedTuple):
    """Where trained rungs are, and how they are made."""

    folder: Path
    workers: int = 1
    threads: int | None = None
    further: tuple[str, ...] = ()
    """Words of the command line, for every trained rung."""

    def make(self, rung: Rung) -> None:
        """Train what is missing of a rung; the commands are printed.

        Raises:
            InputError: the folder has the results of other keys.
            CalledProcessError: a command failed.
        """
        if rung.file is not None or rung.members or self.is_whole(rung):
            return
        self._take_folder(rung)
        if rung.model is None:
            version = self._crossval(rung)
            resume = [] if version is None else ["--resume", version]
            words = ["--name", "run", "--seeds", rung.seeds, "--workers", self.workers, *resume]
            run_atft("crossval", *self._words(rung), *words)
            return
        for fold, seed in self._fold_runs(rung):
            if _baseline_file(self._of(rung), rung.model, fold, seed) is None:
                words = [
                    "--data.split.fold",
                    fold,
                    "--seed_everything",
                    seed,
                    "--name",
                    _run_name(fold, seed),
                ]
                run_atft("baseline", "--model", rung.model, *self._words(rung), *words)
        publish_json(self._of(rung) / "whole.json", {"runs": self._fold_runs(rung)})

    def parts(self, rung: Rung) -> list[Part]:
        """The predictions files of a trained rung, or of one that is a file."""
        if rung.file is not None:
            return file_parts(rung.file)
        if rung.model is not None:
            runs = json.loads((self._of(rung) / "whole.json").read_text())["runs"]
            files = [
                (fold, seed, _baseline_file(self._of(rung), rung.model, fold, seed)) for fold, seed in runs
            ]
            return [Part(fold, seed, path) for fold, seed, path in files if path is not None]
        version = self._crossval(rung)
        assert version is not None, "parts of a rung that is not there"
        parts = file_parts(version)
        seeds = sorted({part.seed for part in parts if part.seed is not None})[: rung.seeds]
        return [part for part in parts if part.seed in seeds]

    def is_whole(self, rung: Rung) -> bool:
        """Whether every fold and seed of a trained rung is there; of a file, whether it is there."""
        if rung.file is not None:
            return rung.file.exists()
        version = self._of(rung) if rung.model is not None else self._crossval(rung)
        marker = "whole.json" if rung.model is not None else FOLDS
        if version is None or not (version / marker).exists() or self._record(rung) != self._recorded(rung):
            return False
        return len({part.seed for part in self.parts(rung)}) >= rung.seeds

    def _of(self, rung: Rung) -> Path:
        return self.folder / "rungs" / rung.folder_name

    def _crossval(self, rung: Rung) -> Path | None:
        """The directory of its ``crossval``; one that ended before it had begun has no record."""
        records = sorted(self._of(rung).glob("run_crossval/version_*/crossval.json"))
        return records[-1].parent if records else None

    def _words(self, rung: Rung) -> list[Any]:
        words: list[Any] = [word for config in rung.config for word in ("--config", config)]
        words += [word for key, value in rung.keys.items() for word in (f"--{key}", _text(value))]
        words += [*self.further, "--trainer.default_root_dir", self._of(rung)]
        return words if self.threads is None else [*words, "--threads", self.threads]

    def _record(self, rung: Rung) -> dict[str, Any]:
        """What the results of a rung depend on, as far as the words and the configs say."""
        configs = [read_mapping(config_path(config)) for config in rung.config]
        keys = {key: value for key, value in rung.keys.items() if not is_inside(key, MACHINE_KEYS)}
        return {"model": rung.model, "keys": keys, "config": json_digest(configs)}

    def _recorded(self, rung: Rung) -> Any:
        path = self._of(rung) / RECORD
        return json.loads(path.read_text()) if path.exists() else None

    def _take_folder(self, rung: Rung) -> None:
        record, former = self._record(rung), self._recorded(rung)
        if former is None:
            self._of(rung).mkdir(parents=True, exist_ok=True)
            publish_json(self._of(rung) / RECORD, record)
        elif former != record:
            differing = [key for key in record if former.get(key) != record[key]]
            raise InputError(
                f"{self._of(rung)}: made with another {' and '.join(differing)}; rename rung {rung.name!r}, "
                f"or remove the folder"
            )

    def _fold_runs(self, rung: Rung) -> list[tuple[int, int]]:
        """Fold and seed of every run of a baseline; the folds are counted on the panel's days."""
        from atft.commands.train import build

        keys = {key: value for key, value in rung.keys.items() if not key.startswith("lightgbm.")}
        words = [str(word) for word in self._words(replace(rung, keys=keys))]
        data = build("baseline", words, quiet=True).datamodule
        folds = data.fold_count()
        if not folds:
            raise InputError(
                f"rung {rung.name!r}: no folds; set data.split.folds, for instance its period, in keys"
            )
        return [(fold, data.seed + i) for i in range(rung.seeds) for fold in range(folds)]


def file_parts(path: Path) -> list[Part]:
    """The files of a directory of ``crossval`` or of a sweep's setting, or a predictions file as it is.

    Raises InputError where there is none.
    """
    if (path / FOLDS).is_file():
        runs = json.loads((path / FOLDS).read_text())["runs"]
        if all(run["fold"] is not None for run in runs):
            return [
                Part(r["fold"], r["seed"], path / r["directory"] / PREDICTIONS)
                for r in runs
                if r["directory"]
            ]
    of_runs = [
        (match, file) for file in sorted(path.glob("*.parquet")) if (match := RUN_FILE.fullmatch(file.name))
    ]
    if of_runs:
        return [Part(int(match[1]), int(match[2]), file) for match, file in of_runs]
    file = path / PREDICTIONS if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"{path}: no such predictions file or directory of a run")
    return [Part(None, None, file)]


def run_atft(*words: Any) -> None:
    """Run ``python -m atft`` and print the command; raises CalledProcessError where it fails."""
    print(f"\n$ python -m atft {' '.join(map(str, words))}", flush=True)
    subprocess.run([sys.executable, "-m", "atft", *map(str, words)], check=True)


def made_rungs(maker: Maker, ladder: Ladder, train: bool) -> Iterator[tuple[str, str]]:
    """Make each rung of a ladder; yields the name of what is not there in the end, and why."""
    missing: set[str] = set()
    for name, rung in ladder.rungs.items():
        reason = ""
        try:
            if train:
                maker.make(rung)
        except subprocess.CalledProcessError as error:
            reason = f"its command ended with status {error.returncode}"
        absent = [member for member in rung.members if member in missing]
        if absent:
            reason = f"{absent[0]} is not there"
        elif not rung.members and not maker.is_whole(rung):
            reason = reason or "it has not been made with these keys and seeds"
        if reason:
            missing.add(name)
            yield name, reason


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _run_name(fold: int, seed: int) -> str:
    return f"fold_{fold}_seed_{seed}"


def _baseline_file(folder: Path, model: str, fold: int, seed: int) -> Path | None:
    """The newest finished predictions of a baseline; its receipt is written last."""
    receipts = sorted(folder.glob(f"{_run_name(fold, seed)}_{model}/version_*/baseline.json"))
    return receipts[-1].with_name(PREDICTIONS) if receipts else None
