"""What a stranger's checkpoint or a config carries is neither called nor imported."""

import sys
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.support.dotted import set_at
from tests.support.hostile_payloads import (
    FUNCTION_KEYS,
    FUNCTIONS,
    KEYS,
    PICKLED_AT,
    PLANTED,
    TEXTS,
    filled,
    is_marked,
    pickled,
    plant,
    raw_pickle,
)

EVALUATIONS = ("validate", "test", "predict")
LOADING = (*EVALUATIONS, "export")


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that a payload would leave; afterwards it is not there, and the planted module not imported."""
    (tmp_path / "planted").mkdir()
    path = plant(tmp_path / "planted")
    monkeypatch.syspath_prepend(str(path.parent))
    monkeypatch.chdir(tmp_path)
    yield path
    imported = sys.modules.pop(PLANTED, None)
    assert imported is None and not is_marked(path)


@pytest.fixture(scope="session")
def checkpoint(tiny_run: Any) -> dict[str, Any]:
    """What a checkpoint of the program holds."""
    held: dict[str, Any] = torch.load(tiny_run.directory / "best_model.ckpt", weights_only=True)
    return held


def with_text(checkpoint: dict[str, Any], text: str, path: Path) -> Path:
    torch.save({**checkpoint, "atft": {**checkpoint["atft"], "config": text}}, path)
    return path


def brief(name: str, command: str) -> Any:
    """A payload of the gate; of the many functions that stand for an optimiser, which is left out, every sixth."""
    optimizers = [n for n in KEYS if n.startswith("optimiser ")]
    repeated = name in optimizers and optimizers.index(name) % 6
    return pytest.param(name, command, marks=pytest.mark.slow if repeated else ())


@pytest.mark.parametrize(("name", "command"), list(map(brief, KEYS, cycle(LOADING))))
def test_a_key_of_a_checkpoint_runs_and_imports_nothing(
    name: str, command: str, checkpoint: dict[str, Any], mark: Path, tmp_path: Path
) -> None:
    from atft.commands.train import build
    from atft.errors import InputError

    key, value = KEYS[name]
    config = set_at(yaml.safe_load(checkpoint["atft"]["config"]), key, filled(value, mark))
    path = with_text(checkpoint, yaml.safe_dump(config), tmp_path / "hostile.ckpt")
    try:
        cli = build(command, ["--ckpt_path", str(path)])
    except InputError as error:
        assert len(str(error).replace(str(path), "")) < 200
    else:  # not one of the keys that are taken: the evaluation goes on without it
        assert cli.model.optimizer_factory is None and cli.trainer.loggers == []


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_in_place_of_a_checkpoints_configuration_is_one_line(
    name: str, checkpoint: dict[str, Any], mark: Path, tmp_path: Path, atft: Callable[..., Any]
) -> None:
    path = with_text(checkpoint, filled(TEXTS[name], mark), tmp_path / "hostile.ckpt")
    for command in LOADING:
        said = atft(command, "--ckpt_path", path).error_line
        assert "hostile.ckpt: its configuration" in said and len(said.replace(str(path), "")) < 200


@pytest.mark.parametrize("place", PICKLED_AT)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_call_in_a_checkpoint_is_not_made(
    place: str, zipped: bool, checkpoint: dict[str, Any], mark: Path, tmp_path: Path, atft: Callable[..., Any]
) -> None:
    path = tmp_path / "hostile.ckpt"
    torch.save(pickled(checkpoint, place, mark), path, _use_new_zipfile_serialization=zipped)
    for command in LOADING:
        assert "hostile.ckpt" in atft(command, "--ckpt_path", path).error_line


def test_a_plain_pickle_is_not_loaded(mark: Path, tmp_path: Path, atft: Callable[..., Any]) -> None:
    path = tmp_path / "hostile.ckpt"
    path.write_bytes(raw_pickle(mark))
    for command in LOADING:
        assert "hostile.ckpt" in atft(command, "--ckpt_path", path).error_line


@pytest.mark.parametrize("command", EVALUATIONS)
def test_a_checkpoint_with_every_payload_that_is_left_out_gives_what_it_gave_without(
    command: str,
    checkpoint: dict[str, Any],
    tiny_run: Any,
    mark: Path,
    tmp_path: Path,
    atft: Callable[..., Any],
) -> None:
    config = yaml.safe_load(checkpoint["atft"]["config"])
    for key, value in KEYS.values():
        if key.startswith(
            ("trainer.", "model.optimizer", "model.scheduler", "checkpoint", "out", "data.cache.dir")
        ):
            set_at(config, key, filled(value, mark))
    texts = {"sound": checkpoint["atft"]["config"], "hostile": yaml.safe_dump(config)}
    said = []
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        path = with_text(checkpoint, text, tmp_path / name / "best.ckpt")
        outcome = atft(command, "--ckpt_path", path, "--data.cache.dir", tiny_run.folder / "cache")
        said.append((outcome.code, outcome.out.replace(str(path.parent), "")))
    assert said[0] == said[1] and said[0][0] == 0


# -- a user's own config


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("key", FUNCTION_KEYS)
def test_a_config_never_calls_what_is_no_class_of_the_keys_kind(
    key: str, function: str, tiny_run: Any, mark: Path, tmp_path: Path, fit_parser: Any
) -> None:
    from atft.commands.config_keys import parse
    from atft.errors import InputError

    value = {"class_path": function, "init_args": filled(FUNCTIONS[function], mark)}
    config = set_at(yaml.safe_load(tiny_run.config.read_text()), key, value)
    (tmp_path / "hostile.yaml").write_text(yaml.safe_dump(config))
    # As a file, and as a mapping, in which a sweep composes it.
    for given in (["--config", str(tmp_path / "hostile.yaml")], config):
        with pytest.raises(InputError, match=f"(^|hostile.yaml: ){key}: {function} is") as caught:
            parse(fit_parser, given, "fit")
        assert len(str(caught.value).rpartition("hostile.yaml: ")[2]) < 200
    if function.startswith(PLANTED):
        sys.modules.pop(PLANTED)  # a user's own module is imported, to see what it is
        mark.unlink()


@pytest.mark.parametrize("key", [*FUNCTION_KEYS, "model.objective.terms", "model.metrics"])
def test_a_run_is_not_built_with_a_function_that_is_none_of_its_keys_kind(key: str, tiny_run: Any) -> None:
    from atft.commands.train import build
    from atft.errors import InputError

    function = "subprocess.getoutput"
    values: dict[str, Any] = {"model.objective.terms": {function: 1.0}, "model.metrics": [function]}
    value = values.get(key, {"class_path": function})
    with pytest.raises(InputError, match=f"^(model.)?{key.removeprefix('model.')}: {function}"):
        build("fit", set_at(yaml.safe_load(tiny_run.config.read_text()), key, value))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_term_or_metric_is_no_function_but_one_of_our_tensors(function: str, mark: Path) -> None:
    from atft.errors import InputError
    from atft.losses.terms import find_term
    from atft.metrics.own_metrics import own_metrics

    with pytest.raises(InputError, match=f"^model.objective.terms: {function}") as of_term:
        find_term(function)
    with pytest.raises(InputError, match=f"^model.metrics: {function}") as of_metric:
        own_metrics([function])
    assert max(len(str(caught.value)) for caught in (of_term, of_metric)) < 200
    if function.startswith(PLANTED):
        sys.modules.pop(PLANTED)  # the user has named the module, so it is imported
        mark.unlink()
