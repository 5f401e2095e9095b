"""Scaling by median and IQR: agrees with scikit-learn, fills after scaling, hides unobserved rows."""

import numpy as np
import pytest
import torch
from sklearn.preprocessing import RobustScaler

from atft.errors import InputError
from atft.nn.robust_input import MAX_SCALED, RobustInput


def test_scaling_agrees_with_scikit_learn() -> None:
    table = np.random.default_rng(0).standard_normal((50, 4, 3)).astype(np.float32) * [1e-3, 10, 100] + [
        0,
        5,
        -50,
    ]
    scaler = RobustScaler().fit(table.reshape(-1, 3))
    block = RobustInput(3)
    block.set_scaling(
        torch.tensor(scaler.center_, dtype=torch.float32), torch.tensor(scaler.scale_, dtype=torch.float32)
    )
    ours = block(torch.tensor(table, dtype=torch.float32), torch.ones(50, 4, dtype=torch.bool))
    theirs = scaler.transform(table.reshape(-1, 3)).reshape(50, 4, 3).clip(-MAX_SCALED, MAX_SCALED)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)


def test_an_unknown_value_becomes_the_median_not_the_raw_zero() -> None:
    block = RobustInput(1)
    block.set_scaling(torch.tensor([100.0]), torch.tensor([10.0]))
    raw = torch.tensor([[[float("nan")], [100.0], [0.0], [float("inf")], [float("-inf")]]])
    scaled = block(raw, torch.ones(1, 5, dtype=torch.bool))
    assert scaled[0, :, 0].tolist() == [0.0, 0.0, -MAX_SCALED, MAX_SCALED, -MAX_SCALED]


def test_an_unobserved_row_is_zero_whatever_stands_there() -> None:
    raw = torch.tensor([[[1e9], [float("nan")], [2.0]]])
    scaled = RobustInput(1)(raw, torch.tensor([[False, False, True]]))
    assert scaled[0, :, 0].tolist() == [0.0, 0.0, 2.0]


def test_rows_of_market_wide_columns_are_all_observed() -> None:
    block = RobustInput(2)
    block.set_scaling(torch.tensor([1.0, -1.0]), torch.tensor([2.0, 0.5]))
    rows = block.rows(torch.tensor([[3.0, float("nan")], [1.0, 0.0], [-9.0, -9.0]]))
    assert rows.tolist() == [[1.0, 0.0], [0.0, 2.0], [-MAX_SCALED, -MAX_SCALED]]


def test_a_feature_that_hardly_changes_is_only_centred() -> None:
    block = RobustInput(1)
    block.set_scaling(torch.tensor([1.0]), torch.tensor([0.0]))
    assert block(torch.tensor([[[3.0]]]), torch.tensor([[True]])).item() == 2.0


@pytest.mark.parametrize(
    ("median", "iqr", "message"),
    [
        ([0.0], [1.0], "the network has 2 features"),
        ([0.0, 0.0], [1.0], "the network has 2 features, got 2 medians and 1 IQRs"),
        ([0.0], [1.0, 1.0], "the network has 2 features, got 1 medians and 2 IQRs"),
        ([0.0, 0.0], [1.0, float("inf")], "negative or not finite"),
        ([0.0, float("nan")], [1.0, 1.0], "negative or not finite"),
        ([0.0, 0.0], [1.0, -1.0], "negative or not finite"),
    ],
)
def test_scaling_of_another_panel_is_an_error_of_one_line(
    median: list[float], iqr: list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        RobustInput(2).set_scaling(torch.tensor(median), torch.tensor(iqr))
    assert "\n" not in str(error.value)


def test_the_statistics_travel_in_the_state_dict() -> None:
    assert set(RobustInput(2).state_dict()) == {"median", "iqr"}
