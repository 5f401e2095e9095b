"""Keys of a training configuration that say where and how fast it trains, and differences in all other keys."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from atft.errors import clip
from atft.files.yaml_text import flat_keys, is_inside

MACHINE_KEYS = (
    *("name", "threads", "ckpt_path", "config", "data.cache.dir", "data.loader.num_workers"),
    *("data.loader.residency", "trainer.default_root_dir", "trainer.accelerator", "trainer.devices"),
    *("trainer.num_nodes", "trainer.logger", "trainer.enable_progress_bar", "trainer.enable_model_summary"),
    "trainer.log_every_n_steps",
)
MAX_QUOTED = 60


class ChangedKey(NamedTuple):
    """A key with another value, and both values as short text."""

    key: str
    was: str
    now: str
    on_one_side: bool
    """Whether only one of the configurations has the key, and has no section of it that is null in the other."""


def changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[ChangedKey]:
    """Yield each key, but for those of the machine, whose value differs between two nested configurations."""
    was, now = flat_keys(before), flat_keys(after)
    # A section that is null in one of them has no keys there, and differs.
    null = {key for of in (was, now) for key, value in of.items() if value is None}
    for key in {**was, **now}:
        if not is_inside(key, MACHINE_KEYS) and was.get(key) != now.get(key):
            before_text, after_text = (clip(repr(of.get(key)), MAX_QUOTED) for of in (was, now))
            on_one_side = (key in was) != (key in now) and not is_inside(key, tuple(null - {key}))
            yield ChangedKey(key, before_text, after_text, on_one_side)
