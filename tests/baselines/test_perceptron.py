"""The perceptron: learns a product on small data, keeps its best epoch, and is the same for the same seed."""

from collections.abc import Iterator

import numpy as np
import pytest

from atft.baselines import perceptron as module
from atft.baselines.perceptron import Perceptrons, fit_perceptrons
from atft.baselines.stock_days import StockDays
from tests.support.stock_days import matrix, planted_days

MEDIAN, IQR = np.zeros(5, np.float32), np.ones(5, np.float32)


@pytest.fixture(scope="module", autouse=True)
def few_epochs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_EPOCHS", 12)
        patch.setattr(module, "BATCH_ROWS", 64)
        patch.setattr(module, "CHUNK_ROWS", 500)
        patch.setitem(module.SETTINGS, "alpha", 0.01)
        patch.setitem(module.SETTINGS, "learning_rate_init", 0.01)
        yield


def fitted(seed: int = 1) -> Perceptrons:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    return fit_perceptrons(planted_days(60), planted_days(days=15, seed=1), MEDIAN, IQR, seed)


@pytest.fixture(scope="module")
def perceptrons(few_epochs: None) -> Perceptrons:
    return fitted()


def test_it_finds_a_line_and_a_product_on_unseen_days(perceptrons: Perceptrons) -> None:
    unseen = planted_days(days=10, seed=5)
    rank_ic = unseen.rank_ic(perceptrons.score(matrix(unseen)))
    assert rank_ic[0] > 0.4 and rank_ic[1] > 0.15


def test_the_epoch_with_the_best_validation_rank_ic_is_kept_and_few_are_fitted_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    monkeypatch.setattr(module, "MAX_EPOCHS", 60)
    train, val, measured = planted_days(30), planted_days(days=3, seed=1), []
    plain = StockDays.rank_ic

    def recorded(days: StockDays, scores: np.ndarray) -> np.ndarray:
        measured.append(plain(days, scores))
        return measured[-1]

    monkeypatch.setattr(StockDays, "rank_ic", recorded)
    found = fit_perceptrons(train, val, MEDIAN, IQR)
    rank_ics = np.stack(measured)
    assert found.epochs == (rank_ics.argmax(axis=0) + 1).tolist()
    np.testing.assert_array_equal(plain(val, found.score(matrix(val))), rank_ics.max(axis=0))
    assert len(rank_ics) == max(found.epochs) + module.PATIENCE < 60


def test_a_seed_gives_the_same_bits_and_another_seed_others(perceptrons: Perceptrons) -> None:
    unseen = matrix(planted_days(days=3, seed=2))
    np.testing.assert_array_equal(fitted().score(unseen), perceptrons.score(unseen))
    assert not np.array_equal(fitted(seed=2).score(unseen), perceptrons.score(unseen))


def test_every_row_is_read_once_an_epoch() -> None:
    days = planted_days(days=20)
    labels = np.arange(2 * len(days.target), dtype=np.float32).reshape(-1, 2)
    chunks = list(module._chunks(days, labels, np.random.default_rng(0)))
    assert len(chunks) == 2
    seen = np.concatenate([label for _, label in chunks])
    assert np.array_equal(np.sort(seen[:, 0]), labels[:, 0]) and not np.array_equal(seen, labels)
    rows = np.concatenate([features for features, _ in chunks])
    np.testing.assert_array_equal(rows, matrix(days)[(seen[:, 0] / 2).astype(int)])
