"""Edits of a resolved training config, and whether what is accepted means what it says."""

import copy
import random
from itertools import pairwise
from typing import Any, NamedTuple

import yaml

VALUES: tuple[Any, ...] = (
    None, "", "word", "nul\0", "1e3", "x" * 5000, "2015-13-45", "../x", "\x1b[31m", "${oc.env:HOME}",
    -1, 0, 1, 3, 10**30, -(10**400), 0.5, -0.5, 1e308, float("inf"), float("nan"), True, False,
    [], {}, [1], ["x"], [None], [[[[[]]]]], {"a": 1}, {"class_path": "torch.nn.Linear"}, {"class_path": "no.such"},
)  # fmt: skip
TRAINER: dict[str, tuple[Any, ...]] = {
    "accumulate_grad_batches": (2, 0, -1),
    "gradient_clip_val": (0.5, 0, -1),
    "gradient_clip_algorithm": ("value", "norm", "other"),
    "max_steps": (0, 1, 5, 1000),
    "min_steps": (0, 5, 10**9),
    "max_epochs": (0, -1, 2, None),
    "min_epochs": (0, 5, -1),
    "max_time": ("00:00:00:01", "soon", -1, {"seconds": 1}),
    "limit_train_batches": (0, 1, 2, 0.5, 0.0001, 1.5, -1),
    "limit_val_batches": (0, 1, 0.5, 0.0001, 2.5),
    "overfit_batches": (1, 0.5, 2),
    "val_check_interval": (0, 1, 4, 0.25, 0.1, 10**6, "00:00:00:01"),
    "check_val_every_n_epoch": (0, 2, None, -1),
    "num_sanity_val_steps": (0, 1, -1, 2),
    "fast_dev_run": (True, 1, 3, -1),
    "log_every_n_steps": (0, 1, -1),
    "enable_checkpointing": (False, True),
    "deterministic": (True, "warn", "often"),
    "benchmark": (True,),
    "inference_mode": (False,),
    "profiler": ("simple", "advanced", "none"),
    "detect_anomaly": (True,),
    "barebones": (True,),
    "sync_batchnorm": (True,),
    "reload_dataloaders_every_n_epochs": (1, -1),
    "logger": (False, [], "tensorboard"),
    "precision": ("bf16-mixed", "16-mixed", "64-true", "bf16-true", 16, "8"),
    "devices": (0, -1, 2, "many", [0], 10**30),
    "strategy": ("ddp", "fsdp", "deepspeed", "none"),
    "num_nodes": (0, 2, -1),
    "accelerator": ("gpu", "tpu", "mps", "quantum"),
    "callbacks": ([], [None], "EarlyStopping", ["EarlyStopping"], [{"class_path": "builtins.print"}]),
    "plugins": ("x", [], ["x"]),
    "use_distributed_sampler": (True,),
}
CHECKPOINT: dict[str, tuple[Any, ...]] = {
    "checkpoint.save_top_k": (0, 2, -1, -2),
    "checkpoint.every_n_train_steps": (1, 5, -1),
    "checkpoint.every_n_epochs": (0, 2, -1),
    "checkpoint.train_time_interval": ("00:00:01", "now"),
    "checkpoint.mode": ("min", "sideways"),
    "checkpoint.monitor": (None, "", "val/nothing", "train/loss"),
    "checkpoint.save_weights_only": (True,),
    "checkpoint.save_on_train_epoch_end": (False, None),
    "checkpoint.save_last": (False, "link", "x"),
    "checkpoint.filename": ("", "a/b", "{epoch}", "../x", "nul\0"),
    "checkpoint.dirpath": ("elsewhere", "", "nul\0"),
    "early_stopping.patience": (0, -1),
    "early_stopping.mode": ("sideways",),
    "early_stopping.min_delta": (-1, float("nan")),
    "early_stopping.stopping_threshold": (0.0, "x"),
}
CLASSES = (
    "math.sqrt", "builtins.print", "builtins.dict", "torch.nn.Linear", "torch.optim", "torch.optim.Nothing",
    "torch.optim.Optimizer", "torch.optim.lr_scheduler.StepLR", "torch.optim.AdamW", "atft.nothing.X", "no.such.X",
    "", "x", "..", "torch.optim.AdamW.step", "json.loads", 5, None, ["torch.optim.AdamW"], "os",
)  # fmt: skip
TEXTS: dict[str, str] = {
    "empty": "",
    "a list": "- 1\n- 2\n",
    "a number": "5\n",
    "an alias cycle": "&a {trainer: *a}\n",
    "an alias bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghijkl")),
    "brackets": "[" * 20_000,
    "deep mappings": "{a: " * 5_000,
    "nested lists": f"name: {'[' * 300}{']' * 300}\n",
    "a python tag": "name: !!python/object/apply:os.getcwd []\n",
    "another tag": "name: !secret x\n",
    "two documents": "name: a\n---\nname: b\n",
    "a tab": "trainer:\n\tmax_epochs: 1\n",
    "an unknown alias": "name: *gone\n",
    "a merge": "base: &b {max_epochs: 1}\ntrainer:\n  <<: *b\n",
    "a key given twice": "name: a\nname: b\n",
    "a huge integer": f"seed_everything: {'9' * 6000}\n",
    "a complex key": "? [a, b]\n: 1\n",
    "a number as key": "5: x\n",
    "null as key": "null: x\n",
    "a long key": f"{'k' * 2000}: 1\n",
    "control characters": "name: 'a\x07b'\n",
    "a dotted key": "trainer.max_epochs: 1\n",
}  # fmt: skip


class Edited(NamedTuple):
    """A config's text, words after it, and what holds where both are accepted."""

    what: str
    text: bytes
    words: list[str]
    given: Any
    """The mapping that the resolved configuration must honour; None where the text says it itself."""
    unknown: bool = False
    """It holds a key that the program does not know."""
    trains: bool = False
    """It is to be trained if it is accepted."""


def edit_config(rng: random.Random, sound: dict[str, Any]) -> Edited:
    """Make one edit of the sound configuration."""
    edits = (_misspell, _misspell, _add_key, _value, _value, _value, _word, _text, _bytes, _trainer, _class)
    return rng.choice(edits)(rng, copy.deepcopy(sound))


def honoured(asked: Any, resolved: Any, place: str = "") -> str:
    """Name the first key of ``asked`` that the resolved configuration does not hold as asked; else empty."""
    if asked is None:  # an empty section is one of defaults, an empty word of the command line empty text
        empty = resolved is None or resolved == "" or isinstance(resolved, dict)
        return "" if empty else f"{place} is {resolved!r}, given null"
    if isinstance(asked, dict) and isinstance(resolved, dict):
        missing = [k for k in asked if k not in resolved and f"{place}.{k}" not in LINKED]
        faults = (honoured(v, resolved[k], f"{place}.{k}") for k, v in asked.items() if k in resolved)
        return f"{place} lacks {missing}" if missing else next((f for f in faults if f), "")
    if isinstance(asked, list) and isinstance(resolved, list) and len(asked) == len(resolved):
        faults = (honoured(a, b, f"{place}[]") for a, b in zip(asked, resolved, strict=True))
        return next((f for f in faults if f), "")
    if isinstance(resolved, dict):  # a class given by its name alone
        return (
            "" if str(resolved.get("class_path", "")).endswith(str(asked)) else f"{place} ignores {asked!r}"
        )
    same = asked == resolved or str(asked) == str(resolved) or _number(asked) == _number(resolved) is not None
    return "" if same else f"{place} is {str(resolved)[:80]!r}, given {str(asked)[:80]!r}"


LINKED = (".data.horizons", ".data.seed", ".model.features", ".model.regimes")
"""Keys that one part of the config takes from another."""


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _yaml(config: Any) -> bytes:
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")


def _places(config: Any, kind: type | tuple[type, ...] = object) -> list[tuple[dict[str, Any], str, str]]:
    """Every mapping of the config with a key of it and the key's dotted name, where the value is of ``kind``."""
    places: list[tuple[dict[str, Any], str, str]] = []

    def walk(inside: Any, prefix: str) -> None:
        if isinstance(inside, dict):
            places.extend((inside, k, f"{prefix}{k}") for k, v in inside.items() if isinstance(v, kind))
            for key, value in inside.items():
                walk(value, f"{prefix}{key}.")
        elif isinstance(inside, list):
            for item in inside:
                walk(item, f"{prefix}[].")

    walk(config, "")
    return places


def _misspell(rng: random.Random, config: dict[str, Any]) -> Edited:
    inside, key, name = rng.choice(_places(config))
    at = rng.randrange(len(key))
    wrong = rng.choice(
        (
            key[:at] + key[at + 1 :],
            key[:at] + key[at] + key[at:],
            key.upper(),
            key + "s",
            f" {key}",
            key[::-1],
            "x",
        )
    )
    if wrong in inside or not wrong:
        wrong = f"{key}_x"
    value = inside.pop(key)
    inside[wrong] = rng.choice((value, value, {}, None, []))
    return Edited(f"{name} as {wrong!r}: {str(inside[wrong])[:30]!r}", _yaml(config), [], None, unknown=True)


def _add_key(rng: random.Random, config: dict[str, Any]) -> Edited:
    parent, key, name = rng.choice(_places(config, dict))
    inside = rng.choice((config, parent[key]))
    new, value = rng.choice(("unknown", "x.y", "0", "class_pth")), rng.choice(({}, None, [], 1, {"a": {}}))
    inside[new] = value
    return Edited(f"{name} with {new}: {value}", _yaml(config), [], None, unknown=True)


def _value(rng: random.Random, config: dict[str, Any]) -> Edited:
    """One key, a section as likely as a leaf, has a value of another type or range."""
    inside, key, name = rng.choice(_places(config, dict) if rng.random() < 0.3 else _places(config))
    inside[key] = rng.choice(VALUES)
    return Edited(f"{name}: {str(inside[key])[:40]!r}", _yaml(config), [], config)


def _word(rng: random.Random, config: dict[str, Any]) -> Edited:
    """The same as a word of the command line."""
    _, _, name = rng.choice([p for p in _places(config) if "[]" not in p[2]])
    value = str(rng.choice(VALUES)).replace("\0", "")
    asked: Any = {}
    inside = asked
    *parents, last = name.split(".")
    for parent in parents:
        inside = inside.setdefault(parent, {})
    inside[last] = _read(value)
    return Edited(f"--{name}={value[:40]}", _yaml(config), [f"--{name}={value}"], asked)


def _read(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text


def _text(rng: random.Random, config: dict[str, Any]) -> Edited:
    """The whole file, or lines after a sound one, are no config."""
    what = rng.choice(list(TEXTS))
    whole = rng.random() < 0.5
    text = b"" if whole else _yaml({k: v for k, v in config.items() if k not in ("name", "seed_everything")})
    text += TEXTS[what].encode()
    unknown = what not in ("empty", "a merge", "a dotted key") or (whole and what == "empty")
    return Edited(f"{what}{'' if whole else ' after a config'}", text, [], None, unknown=unknown)


def _bytes(rng: random.Random, config: dict[str, Any]) -> Edited:
    """Bytes of a sound file are damaged; what still is YAML says itself what is right."""
    text = bytearray(_yaml(config))
    for _ in range(rng.choice((1, 1, 3))):
        text[rng.randrange(len(text))] = rng.choice((0, 0xFF, 0x0A, 0x3A, 0x7B, 0x26, rng.randrange(256)))
    if rng.random() < 0.2:
        del text[rng.randrange(len(text)) :]
    return Edited("bytes damaged", bytes(text), [], _read(text.decode("utf-8", "replace")))


def _trainer(rng: random.Random, config: dict[str, Any]) -> Edited:
    """Options of the trainer, the checkpoint or early stopping that this task serves or must decline."""
    if rng.random() < 0.3:
        name, values = rng.choice(list(CHECKPOINT.items()))
        section, key = name.split(".")
    else:
        section, (key, values) = "trainer", rng.choice(list(TRAINER.items()))
    config[section][key] = rng.choice(values)
    return Edited(f"{section}.{key}: {config[section][key]!r}", _yaml(config), [], config, trains=True)


def _class(rng: random.Random, config: dict[str, Any]) -> Edited:
    """A class_path names something else."""
    inside, key, name = rng.choice([p for p in _places(config) if p[1] == "class_path"])
    inside[key] = rng.choice(CLASSES)
    if rng.random() < 0.5:
        inside.pop("init_args", None)
    return Edited(f"{name}: {inside[key]!r}", _yaml(config), [], config, trains=True)
