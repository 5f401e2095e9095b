"""What a checkpoint or a config from a stranger may carry to run code, as data: keys and values, text, pickles.

``{mark}`` in a payload stands for a file that nothing may write, ``{folder}`` for the folder of the planted module,
which leaves that file when it is imported. No payload may be called or imported from a checkpoint; those of
`FUNCTIONS`, at a key of `FUNCTION_KEYS`, may not be called from a user's own config either.
"""

import io
import os
import pickle
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from tests.support.dotted import set_at

PLANTED = "planted_import"
"""Name of the planted module; `plant` writes it."""

SHELL = "touch {mark}"
FUNCTIONS: dict[str, dict[str, Any]] = {
    "subprocess.getoutput": {"cmd": SHELL},
    "subprocess.getstatusoutput": {"cmd": SHELL},
    "subprocess.call": {"args": ["touch", "{mark}"]},
    "subprocess.run": {"args": ["touch", "{mark}"]},
    "subprocess.check_output": {"args": ["touch", "{mark}"]},
    "subprocess.Popen": {"args": ["touch", "{mark}"]},
    "os.system": {"command": SHELL},
    "posix.system": {"command": SHELL},
    "os.popen": {"cmd": SHELL},
    "os.mkdir": {"path": "{mark}"},
    "os.makedirs": {"name": "{mark}"},
    "os.execvp": {"file": "touch", "args": ["touch", "{mark}"]},
    "pty.spawn": {"argv": ["touch", "{mark}"]},
    "builtins.eval": {"source": "open('{mark}', 'w')"},
    "builtins.exec": {"source": "open('{mark}', 'w')"},
    "builtins.open": {"file": "{mark}", "mode": "w"},
    "io.open": {"file": "{mark}", "mode": "w"},
    "runpy.run_path": {"path_name": "{folder}/planted_import.py"},
    "runpy.run_module": {"mod_name": PLANTED},
    "importlib.import_module": {"name": PLANTED},
    "timeit.timeit": {"stmt": "open('{mark}', 'w')", "number": 1},
    "cProfile.run": {"statement": "open('{mark}', 'w')"},
    "code.interact": {"banner": "", "local": {}},
    "shutil.copyfile": {"src": "{folder}/planted_import.py", "dst": "{mark}"},
    "tempfile.mkdtemp": {"dir": "{folder}", "prefix": "mark"},
    "sqlite3.connect": {"database": "{mark}"},
    "logging.FileHandler": {"filename": "{mark}"},
    "ctypes.CDLL": {"name": "{folder}/planted.so"},
    "torch.save": {"obj": 1, "f": "{mark}"},
    "torch.load": {"f": "{folder}/planted.pickle", "weights_only": False},
    "numpy.savetxt": {"fname": "{mark}", "X": [[1]]},
    "atft.files.publish.publish_text": {"path": "{mark}", "text": ""},
    "atft.cli.main": {"arguments": ["simulate", "--out", "{mark}"]},
    f"{PLANTED}.function": {},
}
"""Functions, and classes whose making is an act, with arguments under which they leave ``{mark}``."""

FUNCTION_KEYS = (
    "model.optimizer",
    "model.scheduler",
    "trainer.callbacks",
    "trainer.logger",
    "trainer.profiler",
)
"""Keys of a config at which the parser instantiates what a ``class_path`` names."""


def _named(path: str, /, **arguments: Any) -> dict[str, Any]:
    return {"class_path": path, "init_args": arguments} if arguments else {"class_path": path}


_GETOUTPUT = _named("subprocess.getoutput", cmd=SHELL)
_LAMBDA = "lightning.pytorch.callbacks.LambdaCallback"

KEYS: dict[str, tuple[str, Any]] = {
    **{f"optimiser {name}": ("model.optimizer", _named(name, **given)) for name, given in FUNCTIONS.items()},
    **{f"{key} function": (key, _GETOUTPUT) for key in FUNCTION_KEYS},
    **{f"{key} by name": (key, "os.abort") for key in FUNCTION_KEYS},
    **{f"{key} planted": (key, _named(f"{PLANTED}.Anything")) for key in FUNCTION_KEYS},
    "callbacks planted callback": ("trainer.callbacks", [_named(f"{PLANTED}.Callback")]),
    "callbacks function in a list": ("trainer.callbacks", [_GETOUTPUT]),
    "callbacks of a function": ("trainer.callbacks", [_named(_LAMBDA, setup="os.abort")]),
    "callbacks with a class in any": ("trainer.callbacks", [_named(_LAMBDA, setup=_GETOUTPUT)]),
    "logger that writes": (
        "trainer.logger",
        _named("lightning.pytorch.loggers.CSVLogger", save_dir="{mark}"),
    ),
    "profiler that writes": (
        "trainer.profiler",
        _named("lightning.pytorch.profilers.SimpleProfiler", dirpath="{folder}", filename="mark"),
    ),
    "strategy planted": ("trainer.strategy", _named(f"{PLANTED}.Anything")),
    "strategy by name": ("trainer.strategy", "os.abort"),
    "accelerator planted": ("trainer.accelerator", _named(f"{PLANTED}.Anything")),
    "plugins planted": ("trainer.plugins", [_named(f"{PLANTED}.Anything")]),
    "plugins function": ("trainer.plugins", [_GETOUTPUT]),
    "network planted": ("model.network", _named(f"{PLANTED}.Anything", hidden_size=8)),
    "network function": ("model.network", _GETOUTPUT),
    "network by name": ("model.network", f"{PLANTED}.Anything"),
    "network from a file": ("model.network", "{folder}/planted.yaml"),
    "network of a bare class_path": ("model.network.class_path", f"{PLANTED}.Anything"),
    "network's own config": ("model.network.config", "{folder}/planted.yaml"),
    "width planted": ("model.network.init_args.hidden_size", _named(f"{PLANTED}.Anything")),
    "horizons planted": ("model.horizons", [_named(f"{PLANTED}.Anything")]),
    "objective planted": ("model.objective", _named(f"{PLANTED}.Anything")),
    "term planted": ("model.objective.terms", {f"{PLANTED}.term": 1.0}),
    "term of a function": ("model.objective.terms", {"os.abort": 1.0}),
    "terms of a phase planted": (
        "curriculum.phases",
        [{"name": "a", "epochs": 1, "terms": {f"{PLANTED}.term": 1.0}}],
    ),
    "metric planted": ("model.metrics", [f"{PLANTED}.metric"]),
    "target planted": ("model.objective.target", _named(f"{PLANTED}.Anything")),
    "model planted": ("model", _named(f"{PLANTED}.Anything")),
    "model by name": ("model", f"{PLANTED}.Anything"),
    "data planted": ("data", _named(f"{PLANTED}.Anything")),
    "data from a file": ("data", "{folder}/planted.yaml"),
    "panel planted": ("data.panel", _named(f"{PLANTED}.Anything")),
    "panel from a file": ("data.panel", "{folder}/planted.yaml"),
    "path planted": ("data.panel.path", _named(f"{PLANTED}.Anything")),
    "schema planted": ("data.panel.schema", _named(f"{PLANTED}.Anything")),
    "schema function": ("data.panel.schema", _GETOUTPUT),
    "schema from a file": ("data.panel.schema", "{folder}/planted.yaml"),
    "features planted": ("data.panel.schema.features", [_named(f"{PLANTED}.Anything")]),
    "market planted": ("data.panel.simulate", _named(f"{PLANTED}.Anything")),
    "market function": ("data.panel.simulate", _GETOUTPUT),
    "split planted": ("data.split", _named(f"{PLANTED}.Anything")),
    "split by name": ("data.split", "os.abort"),
    "graph planted": ("data.graph", _named(f"{PLANTED}.Anything")),
    "graph function": ("data.graph", _GETOUTPUT),
    "graph by name": ("data.graph", f"{PLANTED}.Anything"),
    "cache planted": ("data.cache", _named(f"{PLANTED}.Anything")),
    "cache that writes": ("data.cache.dir", "{mark}"),
    "loader planted": ("data.loader", _named(f"{PLANTED}.Anything")),
    "lookback planted": ("data.loader.lookback", _named(f"{PLANTED}.Anything")),
    "config from a file": ("config", "{folder}/planted.yaml"),
    "root that writes": ("trainer.default_root_dir", "{mark}"),
    "checkpoints that write": ("checkpoint.dirpath", "{mark}"),
    "checkpoint planted": ("checkpoint", _named(f"{PLANTED}.Anything")),
    "predictions that overwrite": ("out", "{mark}"),
    "monitor planted": ("early_stopping", _named(f"{PLANTED}.Anything")),
    "curriculum planted": ("curriculum.phases", [_named(f"{PLANTED}.Anything")]),
    "an unknown key": ("planted", _named(f"{PLANTED}.Anything")),
}
"""What is set at a dotted key of the configuration that a checkpoint carries."""

TEXTS: dict[str, str] = {
    "a call by tag": "model: !!python/object/apply:os.system ['" + SHELL + "']\n",
    "a new object by tag": "model: !!python/object/new:subprocess.Popen [['touch', '{mark}']]\n",
    "an instance by tag": f"model: !!python/object:{PLANTED}.Anything {{}}\n",
    "a name by tag": f"model: !!python/name:{PLANTED}.function\n",
    "a module by tag": f"model: !!python/module:{PLANTED}\n",
    "an included file": "model: !include {folder}/planted.yaml\n",
    "a local tag": f"model: !{PLANTED}.Anything {{}}\n",
    "an alias bomb": "a0: &a0 [x, x]\n"
    + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60)),
    "an alias cycle": "model: &m {network: *m}\n",
    "two documents": "model: {}\n---\nmodel: !!python/object/apply:os.system ['" + SHELL + "']\n",
    "deep nesting": "model: " + "[" * 100_000,
    "a word": "planted",
    "a list": "- planted\n",
}
"""Whole texts that stand in place of the configuration of a checkpoint."""


class _Call:
    """An object that is a call when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


PICKLED_AT = (
    "",
    "payload",
    "epoch",
    "atft.config",
    "state_dict.payload",
    "callbacks.payload",
    "hyper_parameters",
)
"""Places of a checkpoint at which `pickled` puts a call; the first replaces the whole."""


def pickled(checkpoint: dict[str, Any], place: str, mark: Path) -> Any:
    """A copy of a checkpoint's content with a call to the shell at a dotted place."""
    call = _Call(os.system, SHELL.format(mark=mark))
    return set_at(deepcopy(checkpoint), place, call) if place else call


def raw_pickle(mark: Path) -> bytes:
    """A plain pickle, no archive, that calls the shell when it is loaded."""
    buffer = io.BytesIO()
    pickle.dump(_Call(os.system, SHELL.format(mark=mark)), buffer)
    return buffer.getvalue()


def plant(folder: Path) -> Path:
    """Write the module that must not be imported, and files that name it; the mark it leaves.

    Args:
        folder: to be on ``sys.path`` of the process that reads the payloads.
    """
    mark = folder / "mark"
    lines = (
        f"open({str(mark)!r}, 'a').close()",
        "import lightning.pytorch",
        "def function(*arguments, **named): pass",
        "class Anything: pass",
        "class Callback(lightning.pytorch.Callback): pass",
    )
    (folder / f"{PLANTED}.py").write_text("\n".join(lines) + "\n")
    (folder / "planted.yaml").write_text(f"class_path: {PLANTED}.Anything\nhidden_size: 8\n")
    (folder / "planted.pickle").write_bytes(raw_pickle(mark))
    return mark


def filled(value: Any, mark: Path) -> Any:
    """A payload with the places that it stands for: ``{mark}`` and ``{folder}``."""
    if isinstance(value, dict):
        return {k: filled(v, mark) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, mark) for v in value]
    if not isinstance(value, str):
        return value
    return value.replace("{mark}", str(mark)).replace("{folder}", str(mark.parent))


def is_marked(mark: Path) -> bool:
    """Whether any payload has run: its file is there, or one of a name that begins so."""
    return any(mark.parent.glob("mark*"))
