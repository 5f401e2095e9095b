"""A class_path names a class of its key's kind."""

from pathlib import Path
from typing import Any, Protocol

import pytest
from jsonargparse import Namespace
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging
from lightning.pytorch.loggers import CSVLogger
from torch.optim import Optimizer

from atft.callbacks.record.run_checkpoint import RunCheckpoint
from atft.commands.class_paths import check_classes, construct, find_class
from atft.data.graph import GraphOptions
from atft.errors import InputError


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("os.system", "is a builtin_function_or_method, not a class"),
        ("subprocess.getoutput", "is a function, not a class"),
        ("collections.Counter", "is no Optimizer"),
        ("../evil.py", "is no dotted path of a class"),
        (3, "3 is no dotted path of a class"),
    ],
)
def test_what_is_no_class_of_the_kind_raises_with_the_key_and_an_example(path: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        find_class("model.optimizer", path, (Optimizer,))
    message = str(caught.value)
    assert message.startswith("model.optimizer: ") and said in message and len(message) < 200
    assert message.endswith("name a class such as torch.optim.AdamW")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("torch.optim.Adamm", "no class 'torch.optim.Adamm'; did you mean 'Adam'?"),
        (f"{__name__}.Liner", f"no class '{__name__}.Liner'; did you mean 'Linear'?"),
        ("no_such_lab.nets.Net", "no module 'no_such_lab'; install its package into this environment"),
        ("atft.nn.mastr.MASTER", "no module 'mastr' in atft.nn; did you mean 'master'?"),
        ("broken_lab.Net", "broken_lab cannot be imported, NameError at broken_lab.py line 2: name 'nn'"),
        ("needing_lab.Net", "cannot be imported, ModuleNotFoundError at needing_lab.py line 1: No module"),
    ],
)
def test_a_class_that_is_not_there_says_what_is_missing(
    path: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_lab.py").write_text("\nclass Net(nn.Module): ...\n")
    (tmp_path / "needing_lab.py").write_text("import no_such_package_of_mine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError) as raised:
        find_class("model.network", path)
    line = str(raised.value)
    assert line.startswith("model.network: ") and message in line and len(line) < 200, line


def test_methods_that_a_class_lacks_are_named() -> None:
    with pytest.raises(InputError) as raised:
        find_class("trainer.logger", "lightning.pytorch.loggers.logger.Logger")
    lacking = "log_hyperparams, log_metrics, name, version"
    assert (
        str(raised.value)
        == f"trainer.logger: lightning.pytorch.loggers.logger.Logger has no {lacking}; add them"
    )


def test_a_class_of_another_kind_is_not_proposed() -> None:
    with pytest.raises(
        InputError, match=r"no class 'collections.Countr'; name a class such as torch.optim.AdamW"
    ):
        find_class("model.optimizer", "collections.Countr", (Optimizer,))


class Scores(Protocol):
    """What has a method ``score``."""

    def score(self, days: int) -> float:
        """A number."""


class Linear:
    """It has one."""

    def score(self, days: int) -> float:
        """A number."""
        return float(days)


def test_a_class_may_have_to_be_of_a_protocol() -> None:
    assert find_class("model.x", f"{__name__}.Linear", (Scores,)) is Linear
    with pytest.raises(InputError, match=r"model.x: collections.Counter is no Scores; name a class$"):
        find_class("model.x", "collections.Counter", (Scores,))


def test_a_class_inside_of_a_class_is_found() -> None:
    assert find_class("trainer.x", f"{__name__}.Outer.Inner") is Outer.Inner


class Outer:
    """A class that has another one inside."""

    class Inner:
        """The one inside."""


def function() -> None:
    """Something that can be called and is no class."""


@pytest.mark.parametrize(
    "config",
    [
        {"model": {"optimizer": {"class_path": "os.system"}}},
        {"trainer": {"callbacks": [{"class_path": "os.system"}]}},
        {"trainer": {"callbacks": [{"class_path": "lightning.pytorch.callbacks.LambdaCallback",
                                    "init_args": {"setup": {"class_path": "os.system"}}}]}},
        {"trainer": {"callbacks": [{"class_path": "lightning.pytorch.callbacks.LambdaCallback",
                                    "init_args": {"setup": function}}]}},
        {"anything": {"deep": [{"class_path": "os.system"}]}},
    ],
)  # fmt: skip
def test_a_function_is_found_wherever_it_is_named(config: dict[str, Any]) -> None:
    for given in (config, Namespace(config), nested(config)):
        with pytest.raises(InputError, match=r"not a class|is a function"):
            check_classes(given)


def nested(value: Any) -> Any:
    """A configuration as the parser holds it: namespaces in place of mappings."""
    if isinstance(value, dict):
        return Namespace(**{k: nested(v) for k, v in value.items()})
    return [nested(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "config",
    [
        {"model": {"optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}}},
        {"trainer": {"strategy": "ddp", "logger": False, "plugins": None, "default_root_dir": Path("a.b")}},
        {"name": "os.system", "data": {"panel": {"path": "prices.parquet"}}},
    ],
)
def test_what_names_no_function_passes(config: dict[str, Any]) -> None:
    check_classes(config)
    check_classes(nested(config))


class Untyped:
    """A class as a user may write one."""

    def __init__(self, width, depth=None, height: Any = None) -> None:  # type: ignore[no-untyped-def]
        self.width = width


def test_an_argument_without_type_and_default_needs_a_value() -> None:
    path = f"{__name__}.Untyped"
    given = {"width": None, "depth": None, "height": None}
    config = {"model": {"network": {"class_path": path, "init_args": given}}}
    for form in (config, nested(config)):
        with pytest.raises(InputError, match=r"^model\.network\.init_args\.width has no value, and Untyped"):
            check_classes(form)
    for options in ({"class_path": path, "init_args": given | {"width": 0}}, {"class_path": path}):
        check_classes(nested({"model": {"network": options}}))


def test_options_in_a_file_that_a_config_names_are_checked_before_they_are_called(
    tiny_run: Any, tmp_path: Path
) -> None:
    import yaml

    from atft.commands.train import build

    mark = tmp_path / "mark"
    # A function of ours, which the parser's own list does not name.
    options = {"class_path": "atft.files.publish.publish_text", "init_args": {"path": str(mark), "text": ""}}
    (tmp_path / "options.yaml").write_text(yaml.safe_dump(options))
    config = yaml.safe_load(tiny_run.config.read_text())
    config["model"]["optimizer"] = str(tmp_path / "options.yaml")
    with pytest.raises(InputError, match=r"model.optimizer"):
        build("fit", config)
    assert not mark.exists()


class NeedsAPackage:
    """A logger whose package is not installed."""

    def __init__(self) -> None:
        raise ModuleNotFoundError(
            "Requirement 'wandb>=0.12' not met. HINT: Try running `pip install -U wandb`"
        )


def test_an_instance_is_what_the_class_makes() -> None:
    assert construct(CSVLogger, save_dir="here").save_dir == "here"
    assert construct(dict, kind="an option of that name") == {"kind": "an option of that name"}


def test_a_class_that_does_not_accept_its_arguments_is_named() -> None:
    with pytest.raises(
        InputError, match=r"^EarlyStopping: `mode` can be min, max, got x; change its arguments$"
    ):
        construct(EarlyStopping, monitor="val/ic", mode="x")
    with pytest.raises(InputError, match=r"^EMAWeightAveraging: .*; change its arguments$"):
        construct(EMAWeightAveraging, device="word")
    with pytest.raises(InputError, match=r"^checkpoint: `mode` can be min, max but got x"):
        construct(RunCheckpoint, monitor="val/ic", mode="x")


def test_an_error_that_says_little_is_named_with_its_kind_and_line() -> None:
    def looks_up() -> None:
        {}["width"]

    kind = type("Net", (), {"__init__": lambda self: looks_up()})
    with pytest.raises(
        InputError, match=r"^Net: KeyError at test_class_paths.py line \d+: 'width'; change its"
    ):
        construct(kind)


def test_an_absent_package_is_named() -> None:
    with pytest.raises(InputError, match=r"^NeedsAPackage: Requirement 'wandb.*leave NeedsAPackage out$"):
        construct(NeedsAPackage)


def test_a_class_of_ours_says_itself_what_is_wrong_and_a_bug_stays_one() -> None:
    with pytest.raises(InputError, match=r"^data\.graph\.k and"):
        construct(GraphOptions, k=0, sector_k=0)
    with pytest.raises(TypeError):
        construct(RunCheckpoint, no_such_argument=1)
