"""Days that no trial could train or validate on are an error before the first trial."""

from collections.abc import Callable
from pathlib import Path

import pytest

from atft.errors import InputError
from atft.search.question.days import check_days
from atft.search.question.options import SweepOptions

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")

Make = Callable[..., SweepOptions]


@pytest.mark.usefixtures("own_config")
def test_days_that_train_pass_and_leave_the_cache(make_sweep: Make, tmp_path: Path) -> None:
    check_days(make_sweep())
    assert list((tmp_path / "cache").rglob("*.arrow"))
    check_days(make_sweep(folds=2))


@pytest.mark.usefixtures("own_config")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": 3}, r"folds: 3 validations of 11 days leave 6 training days to the first.*lower folds"),
        (
            {"fixed": {"data.split.val": ["2019-01-01", "2019-02-01"], "data.split.test": None}},
            r"data\.split\.val .* has no usable day",
        ),
        ({"folds": 2, "fixed": {"data.split.min_stocks": 0}}, r"data\.split\.min_stocks must be at least 2"),
    ],
    ids=["more folds than room", "a period without a day", "a fold that cannot be scored"],
)
def test_days_on_which_every_trial_would_fail_are_an_error(
    changes: dict[str, object], message: str, make_sweep: Make
) -> None:
    with pytest.raises(InputError, match=message):
        check_days(make_sweep(**changes))
