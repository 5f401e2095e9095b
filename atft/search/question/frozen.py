"""The question of a study, frozen when the study is made: what its values depend on, and its own base config.

Values of one study are compared with one another, so all trials must train one question: the same space, metric
and direction, the same configuration but for the point, the same data. Optuna would accept most changes without a
word. What only changes the folder, the speed or the length of the search may change between two starts: n_trials,
workers, sampler, pruner, retries, time limits, points to enqueue, storage, root.

The file that the sweep names as its base may be edited while the sweep runs. So workers compose their trials from
a copy of its text, ``<root>/<study>/base.yaml``, and each trial compares it with the digest in the study's
attributes. Several machines that share no disk each keep a copy, made from a file of the same content.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.errors import InputError
from atft.files.digest import json_digest
from atft.files.publish import publish_text
from atft.files.yaml_text import flat_keys, is_inside, mapping_of, read_mapping
from atft.runs.machine_keys import MACHINE_KEYS
from atft.search.question.options import SweepOptions

if TYPE_CHECKING:
    import optuna

BASE_DIGEST = "base_digest"
"""The study's attribute: digest of the base config's keys and values, whatever its comments and layout."""
NO_FACTS = (*MACHINE_KEYS, "data.panel", "model.features", "model.metrics")
"""Keys, and blocks of them, that are no facts of a study: the panel has a digest, and its schema is one."""


class StudyChanged(InputError):
    """The base config or the panel is not what the study was made with: no trial can train until it is."""


@dataclass(frozen=True)
class Identity:
    """What a study's values depend on."""

    facts: dict[str, Any]
    """Dotted key -> plain value: space, metric, direction, folds and the configuration of every trial."""
    data_digest: str
    """Sixteen hexadecimal digits that change with the panel."""

    @property
    def config_digest(self) -> str:
        """Sixteen hexadecimal digits that change with any fact."""
        return json_digest(self.facts)


def identify(sweep: SweepOptions) -> Identity:
    """The identity of a sweep's study, from its resolved configuration and the panel's files; reads no row.

    Raises InputError where the base config, a fixed value or the panel is not accepted.
    """
    import yaml

    from atft.commands.train import build
    from atft.search.question.config import trial_config

    cli = build("fit", trial_config(sweep, {}))
    facts: dict[str, Any] = {
        f"config: {key}": value
        for key, value in sorted(flat_keys(yaml.safe_load(cli.config_text)).items())
        if is_inside(key, ("data.panel.schema",)) or not is_inside(key, (*NO_FACTS, *sweep.space))
    }
    facts |= {f"space: {key}": dimension for key, dimension in sweep.space.items()}
    facts |= {"metric": sweep.metric, "direction": sweep.direction, "folds": sweep.folds}
    return Identity(facts, data_digest(cli.datamodule.panel, cli.datamodule.cache_options.dir))


def data_digest(panel: Any, caches: str) -> str:
    """Digest of a panel (`atft.tasks.day_data.PanelOptions`): its files, or the options of a simulated market.

    ``caches`` is the folder of the caches, see `atft.files.panel_files.file_fingerprints`.
    """
    from atft.market.options import market_digest

    return (
        str(market_digest(panel.simulate))
        if panel.simulate is not None
        else _files_digest(panel.path, caches)
    )


def _files_digest(path: object, caches: str) -> str:
    from atft.files.panel_files import panel_files, source_fingerprint

    return json_digest(source_fingerprint(panel_files(str(path)), caches))


def differences(was: Identity, now: Identity) -> list[str]:
    """Lines ``key: was -> is``, one for each fact that differs."""

    def shown(identity: Identity, key: str) -> str:
        return repr(identity.facts[key]) if key in identity.facts else "absent"

    lines = [
        f"{key}: {shown(was, key)} -> {shown(now, key)}"
        for key in {**was.facts, **now.facts}
        if was.facts.get(key, ...) != now.facts.get(key, ...)
    ]
    if was.data_digest != now.data_digest:
        made_of = "the bytes of the panel's files, or its simulate"
        lines.append(f"data ({made_of}): {was.data_digest} -> {now.data_digest}")
    return lines


# -- the base config


def base_file(sweep: SweepOptions) -> Path:
    """Path of the study's copy of its base config."""
    return sweep.directory / "base.yaml"


def freeze(sweep: SweepOptions, study: "optuna.Study") -> SweepOptions:
    """Copy the base config into the study, where it has no copy here yet; return the sweep over that copy.

    Raises InputError where it is not the one that the study was made with, and there is no copy of that here.
    """
    path, digest = base_file(sweep), study.user_attrs.get(BASE_DIGEST)
    if digest is None or not path.is_file():
        text = Path(sweep.base).read_text(encoding="utf-8")
        now = json_digest(mapping_of(text, sweep.base))
        if digest not in (None, now):
            raise InputError(
                f"{sweep.base}: changed since study {sweep.study} was made; restore it, or copy {path} from the "
                f"machine that made the study"
            )
        publish_text(path, text)
        study.set_user_attr(BASE_DIGEST, now)
    return frozen(sweep)


def frozen(sweep: SweepOptions) -> SweepOptions:
    """The sweep over the study's own copy of the base config."""
    return replace(sweep, base=str(base_file(sweep)))


def check_frozen(sweep: SweepOptions, study: "optuna.Study") -> None:
    """Raise StudyChanged where the file that the sweep's ``base`` names is not what the study was made with."""
    try:
        what = "" if _is_frozen(Path(sweep.base), study) else "edited"
    except InputError:
        what = "removed or damaged"
    if what:
        raise StudyChanged(f"{sweep.base}: {what} since study {sweep.study} was made; restore it")


def check_panel(config: Mapping[str, Any], study: "optuna.Study") -> None:
    """Raise StudyChanged where the panel of a trial's configuration is not what the study was made with."""
    from atft.data.build import CacheOptions

    panel = config["data"]["panel"]
    if panel.get("simulate") is not None:
        return  # the study's own options make it
    began = study.user_attrs["data_digest"]
    caches = (config["data"].get("cache") or {}).get("dir", CacheOptions.dir)
    try:
        now = _files_digest(panel["path"], caches)
    except InputError as error:
        raise StudyChanged(str(error)) from error
    if now != began:
        raise StudyChanged(
            f"panel {panel['path']}: its files are not those that study {study.study_name} began with (digest of "
            f"their bytes {began}, now {now}); put them back, or give the sweep another name"
        )


def _is_frozen(base: Path, study: "optuna.Study") -> bool:
    digest = study.user_attrs.get(BASE_DIGEST)
    return digest is None or json_digest(read_mapping(base)) == digest


def watch_base(sweep: SweepOptions, study: "optuna.Study") -> Iterator[str | None]:
    """Yield a warning, once, where the base config on the disk is no longer what the sweep trains; else None."""
    base, checked, same = Path(sweep.base), 0, True
    while same:
        try:
            changed = base.stat().st_mtime_ns
            same = changed == checked or _is_frozen(base, study)
            checked = changed
        except (OSError, InputError):
            same = False  # gone, or half written
        yield (
            None if same else f"{base} no longer matches this study; its trials go on with {base_file(sweep)}"
        )
    yield from repeat(None)
