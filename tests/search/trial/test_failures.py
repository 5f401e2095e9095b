"""Each failure has the class of whoever has to act, and a reason of one line."""

import errno
from collections.abc import Callable
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from atft.commands.train import build
from atft.data.split import SplitOptions
from atft.data.tuning_folds import tuning_folds
from atft.errors import InputError, NonFiniteLoss, OutOfMemory, VarianceCollapse
from atft.search.trial.failures import (
    CONFIG_MODULES,
    DATA_MODULES,
    TrialFailed,
    classify,
    describe_error,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")


@pytest.mark.parametrize("module", [*DATA_MODULES, *CONFIG_MODULES])
def test_modules_that_decide_a_class_exist(module: str) -> None:
    assert find_spec(module) is not None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "memory"),
        (MemoryError(), "memory"),
        (OutOfMemory("one day does not fit"), "memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "memory"),
        (NonFiniteLoss("loss not finite"), "config"),
        (VarianceCollapse("one score"), "config"),
        (InputError("bad key"), "config"),
        (FileNotFoundError(2, "no such file", "panel"), "data"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk"),
        (OSError(errno.EIO, "Input/output error"), "disk"),
        (OSError(errno.EROFS, "Read-only file system"), "disk"),
        (TrialFailed("time", "slow"), "time"),
        (RuntimeError("shape mismatch"), "code"),
        (KeyError("rank_ic"), "code"),
    ],
    ids=lambda value: str(value)[:25],
)
def test_the_type_decides(error: BaseException, expected: str) -> None:
    assert classify(error) == expected


def _failure(action: Callable[[], Any]) -> BaseException:
    with pytest.raises(InputError) as caught:
        action()
    return caught.value


def test_an_invalid_value_is_of_class_config_and_an_invalid_panel_of_class_data(
    tiny_config: Callable[..., Path], make_panel: Callable[..., Path], tmp_path: Path
) -> None:
    import yaml

    def config(**changes: Any) -> dict[str, Any]:
        held = yaml.safe_load(tiny_config(tmp_path, make_panel(), **changes).read_text())
        assert isinstance(held, dict)
        return held

    wrong_key = config(model__network={"hidden_siz": 8})
    assert classify(_failure(lambda: build("fit", wrong_key))) == "config"
    wrong_value = config(data__loader={"lookback": 0})
    assert classify(_failure(lambda: build("fit", wrong_value))) == "config"
    split = config(data__split={"train": ["2015-03-01", "2015-02-01"], "val": ["2015-03-02", "2015-03-25"]})
    assert classify(_failure(lambda: build("fit", split).datamodule.split)) == "config"
    folds = SplitOptions(["2015-01-01", "2015-01-20"], ["2015-01-21", "2015-02-28"], embargo_days=0)
    calendar = [date(2015, 1, 1) + timedelta(days=i) for i in range(59)]
    assert classify(_failure(lambda: tuning_folds(calendar, folds, 1, 1, count=2))) == "config"
    gone = config(data__panel={"path": str(tmp_path / "absent.parquet")})
    assert classify(_failure(lambda: build("fit", gone))) == "data"
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1" + bytes(100))
    damaged = config(data__panel={"path": str(tmp_path / "damaged.parquet")})
    assert classify(_failure(lambda: build("fit", damaged))) == "data"


def test_a_reason_is_one_short_line() -> None:
    assert describe_error(RuntimeError("a\n  b")) == "RuntimeError: a b"
    assert describe_error(InputError("lr must be above 0")) == "lr must be above 0"
    assert describe_error(TrialFailed("memory", "full")) == "full"
    assert describe_error(MemoryError()) == "MemoryError"
    assert len(describe_error(RuntimeError("x" * 9999))) == 400
