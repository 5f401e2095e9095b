"""What a study's values depend on, and the refusal to go on when it has changed.

Values of one study are compared with one another, so they must answer one question: the same space, metric and
direction, the same configuration but for the point, the same data. Optuna would accept most changes without a
word. What only moves the place, the speed or the length of the search may change between two starts: n_trials,
workers, threads, sampler, pruner, retries, time limits, heartbeats, points to enqueue, storage, root.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from atft.data.fingerprint import source_fingerprint
from atft.digest import json_digest
from atft.errors import InputError
from atft.search.question.options import SweepOptions
from atft.search.question.space import plain_space

PLACES = (
    *("name", "threads", "ckpt_path", "config", "model.features", "data.panel", "data.cache.dir"),
    *("trainer.default_root_dir", "trainer.accelerator", "trainer.devices", "trainer.num_nodes"),
    *(
        "trainer.logger",
        "trainer.enable_progress_bar",
        "trainer.enable_model_summary",
        "trainer.log_every_n_steps",
    ),
    *("data.loader.num_workers", "data.loader.prefetch_factor", "data.loader.persistent_workers"),
    *("data.loader.pin_memory", "data.loader.multiprocessing_context", "data.loader.worker_threads"),
)
"""Keys of a training config, and blocks of them, that say where and how fast, not what. The panel is the data."""


@dataclass(frozen=True)
class Identity:
    """What makes a study itself."""

    facts: dict[str, Any]
    """Dotted key -> plain value: space, metric, direction, folds and the configuration of every trial."""
    data_digest: str
    """Sixteen hexadecimal digits that change with the panel."""

    @property
    def config_digest(self) -> str:
        """Sixteen hexadecimal digits that change with any fact."""
        return json_digest(self.facts)


def identify(sweep: SweepOptions) -> Identity:
    """Work out a sweep's identity: resolves its configuration and looks at the panel's files, reads no row.

    Raises:
        InputError: the base config, a fixed value or the panel is not accepted.
    """
    import yaml

    from atft.commands.train import build
    from atft.search.question.config import flatten, trial_config

    cli = build("fit", trial_config(sweep, {}))
    settings = flatten(yaml.safe_load(cli.config_text))
    outside = (*PLACES, *(key for key in sweep.space))
    facts: dict[str, Any] = {
        f"config: {key}": value for key, value in sorted(settings.items()) if not _inside(key, outside)
    }
    facts |= {f"config: {k}": v for k, v in sorted(settings.items()) if _inside(k, ("data.panel.schema",))}
    facts |= {f"space: {key}": held for key, held in plain_space(sweep.space).items()}
    facts |= {"metric": sweep.metric, "direction": sweep.direction, "folds": sweep.folds}
    return Identity(facts, data_digest(cli.datamodule.panel))


def data_digest(panel: Any) -> str:
    """Digest of a panel (`atft.tasks.day_data.PanelOptions`): its files, or the options of a simulated market."""
    from atft.market.options import market_digest
    from atft.panel import panel_files

    if panel.simulate is not None:
        return str(market_digest(panel.simulate))
    return json_digest(source_fingerprint(panel_files(str(panel.path))))


def differences(was: Identity, now: Identity) -> list[str]:
    """Lines ``key: was -> is``, one for each fact that differs."""
    keys = [*was.facts, *(k for k in now.facts if k not in was.facts)]
    lines = [
        f"{key}: {_shown(was.facts, key)} -> {_shown(now.facts, key)}"
        for key in keys
        if was.facts.get(key) != now.facts.get(key) or (key in was.facts) != (key in now.facts)
    ]
    if was.data_digest != now.data_digest:
        lines.append(f"data: {was.data_digest} -> {now.data_digest}")
    return lines


def as_plain(identity: Identity) -> dict[str, Any]:
    """The identity as JSON-able values."""
    return asdict(identity)


def of_plain(held: Mapping[str, Any]) -> Identity:
    """What `as_plain` gave."""
    return Identity(dict(held["facts"]), str(held["data_digest"]))


def refuse_changed(study: str, was: Identity, now: Identity) -> None:
    """Refuse to go on with a study that asks another question; the lines of the difference go before.

    Raises:
        InputError: anything differs. Its ``__notes__`` hold one line for each difference.
    """
    lines = differences(was, now)
    if not lines:
        return
    error = InputError(
        f"study {study}: {len(lines)} thing{'s' * (len(lines) > 1)} that its values depend on changed "
        f"({lines[0]}{', ...' if len(lines) > 1 else ''}); change back, or give the sweep another study name"
    )
    for line in lines:
        error.add_note(line)
    raise error


def _inside(key: str, blocks: tuple[str, ...]) -> bool:
    return any(key == block or key.startswith(f"{block}.") for block in blocks)


def _shown(facts: Mapping[str, Any], key: str) -> str:
    return repr(facts[key]) if key in facts else "absent"
