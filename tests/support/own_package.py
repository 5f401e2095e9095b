"""A package of the user's own, written to a folder: terms, metrics and loggers, good and faulty ones."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LOSS = '''
import torch


def tail(score, target, valid, level: float = 0.0):
    """Mean distance of scores and targets beyond a level."""
    distance = torch.where(valid, (score - target).abs() - level, 0).clamp_min(0)
    return distance.sum(-1) / valid.sum(-1).clamp_min(1)


def drawn(score, valid):
    return torch.where(valid, score * torch.rand_like(score), 0).sum(-1)


def by_quantile(quantiles, levels, valid):
    return torch.where(valid[:, :, None], levels[:, None] * quantiles, 0).sum((-1, -2))


def by_sector(score, sector, valid):
    return torch.where(valid & (sector >= 0), score, 0).sum(-1)


def cap(score, valid):
    return torch.where(valid, (score - 100).clamp_min(0), 0).sum(-1)


cap.hinge = True
number = 3


class Term:
    pass


def misspelt(score, taget):
    pass


def anything(*tensors):
    pass


def named(score, **options):
    pass


def of_a_word(score, kind="hinge"):
    pass


def of_a_weight(score, weight=1.0):
    pass


def with_a_default(score, valid=None):
    pass


def after_a_star(score, *, valid):
    pass


def of_nothing(level=1.0):
    pass


def per_stock(score, target, valid):
    return score


def a_number(score):
    return 3.0


def counts(score, valid):
    return valid.sum(-1)


def detached(score, valid):
    return torch.where(valid, score.detach(), 0).sum(-1)


def flat(score, valid):
    return torch.where(valid, 0 * score, 0).sum(-1)


def unmasked(score, target):
    return (score - target).abs().mean(-1)


def of_four_stocks(score):
    return score[..., :4].mean(-1)


def root_of_gap(score, valid):
    score = torch.where(valid, score, 0)
    gap = score.amax(-1, keepdim=True).detach() - score
    return torch.where(valid, gap.sqrt(), 0).sum(-1)


def by_exposure(score, exposure, valid):
    return torch.where(valid, score * exposure[:, :, 0], 0).sum(-1)


def quantiles_of_four_stocks(quantiles):
    return quantiles[..., :4].mean((-1, -2))


def mean_of_valid(score, valid):
    return torch.where(valid, score, 0).sum(-1) / valid.sum(-1)


def logarithm(score, valid):
    return torch.where(valid, score.log(), 0).sum(-1)


def square_root(score, valid):
    return torch.where(valid, score, 0).square().sum(-1).clamp_min(0).sqrt() + (0 * score).sum(-1).sqrt()


def of_all_days(score, valid):
    score = torch.where(valid, score, 0)
    return (score - score.mean((0, 2), keepdim=True)).abs().mean(-1)


def of_the_days_returns(score, target, valid):
    distance = score - torch.where(valid, target, 0).mean((0, 2), keepdim=True)
    return torch.where(valid, distance, 0).square().sum(-1)


def of_the_day_before(score, valid):
    before = torch.cat((score[:1], score[:-1])).detach()
    return torch.where(valid, score - before, 0).abs().sum(-1)


def moved(score, valid, previous, previous_valid):
    return torch.where(valid & previous_valid, (score - previous).abs(), 0).sum(-1)


def raises(score, target, valid):
    return score @ target


def failed(score, valid):
    raise OSError("of the machine, not of the function")
'''
METRICS = '''
import torch


def top_hit(score, target, valid):
    """Share of the five best that rise."""
    best = torch.where(valid, score, -torch.inf).topk(min(5, score.shape[-1]), dim=-1).indices
    return (target.gather(-1, best) > 0).float().mean(-1)


def other_order(valid, target, score, scale: float = 2.0):
    return scale * torch.where(valid, target * score.sign(), 0).sum(-1)


def pearson(score, target, valid):
    return score.sum(-1)


def loss(score, target, valid):
    return score.sum(-1)


scale = day = learning_rate = quantile_crossing = loss


def on_falling_days(score, target, valid):
    """Share of right signs on days that fall, unknown on the others."""
    right = torch.where(valid, score.sign() == target.sign(), False).float().sum(-1)
    falls = torch.where(valid, target, 0).sum(-1) < 0
    return torch.where(falls, right / valid.sum(-1).clamp_min(1), torch.nan)


def hit_5d(score, target, valid):
    return score.sum(-1)


def per_stock(score, target, valid):
    return score


def counts_all(score, target, valid):
    return score.mean(-1)


def product(score, target):
    return (score * target).mean(-1)


def by_zero(score, target, valid):
    return (score * target * valid).sum(-1)


def of_all_days(score, target, valid):
    hits = torch.where(valid, score * target, 0)
    return hits.sum(-1) / hits.abs().sum((0, -1))


def nothing(score, target, valid):
    return score.sum(-1) * torch.nan


def of_many(score, target, valid):
    right = torch.where(valid, score.sign() == target.sign(), False).float().sum(-1)
    return torch.where(valid.sum(-1) >= 50, right / valid.sum(-1), torch.nan)


def drawn(score, target, valid):
    return torch.where(valid, score * target, 0).sum(-1) + torch.rand(1)


def of_three_axes(score, target, valid):
    days, horizons, stocks = score.shape
    return torch.where(valid, score, 0).sum(-1)


def of_a_sector(score, sector):
    pass
'''
LOGGERS = """
import json
from pathlib import Path

from lightning.pytorch.loggers import Logger


class JsonLogger(Logger):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = Path(path)
        self.kept = {"settings": {}, "metrics": [], "status": ""}

    name = "json"
    version = 0

    def log_hyperparams(self, params, *arguments, **options):
        self.kept["settings"] |= dict(params)

    def log_metrics(self, metrics, step=None):
        self.kept["metrics"].append([step, {name: float(value) for name, value in metrics.items()}])

    def finalize(self, status):
        self.kept["status"] = status
        self.path.write_text(json.dumps(self.kept))


class Refusing(Logger):
    name, version = "refusing", 0

    def __init__(self) -> None:
        raise ServerIsAway("the server " + 60 * "long " + "is away; call its administrator")

    def log_hyperparams(self, params):
        pass

    def log_metrics(self, metrics, step=None):
        pass


class ServerIsAway(Exception):
    pass
"""
BROKEN = {
    "syntax": "def tail(:\n    pass\n",
    "division": "import torch\n\nhalf = 1 / 0\n",
    "absent": "\nimport no_such_package\n",
}


@contextmanager
def importable_package(folder: Path, name: str) -> Iterator[Path]:
    """The package, importable under a name while the context lasts; the folder that it is in."""
    package = folder / name
    (package / "other").mkdir(parents=True)
    files = {"__init__": "", "loss": LOSS, "metrics": METRICS, "loggers": LOGGERS, **BROKEN}
    for module, text in files.items():
        (package / f"{module}.py").write_text(text)
    (package / "other" / "__init__.py").write_text(
        "def top_hit(score, target, valid):\n    return score.sum(-1)\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder
    # The next test imports its own.
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        del sys.modules[module]
