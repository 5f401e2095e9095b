"""``fit --help`` and its like: the keys that matter, without importing what knows all of them.

The defaults are those of the parser, which a test compares; ``--help-all`` asks the parser itself: some seconds.
"""

from typing import NamedTuple


class Key(NamedTuple):
    """A key of a config: its default as a config writes it, one sentence, and the commands that it matters to."""

    name: str
    default: str
    sentence: str
    evaluation: bool = False
    """Whether it matters to validate, test and predict too."""


KEYS = (
    Key("name", "run", "folder of the run: lightning_logs/<name>/version_N", True),
    Key("seed_everything", "1", "seed of weights, dropout and the order of the blocks"),
    Key("ckpt_path", "null", "checkpoint to go on from or to evaluate, or last", True),
    Key("trainer.max_epochs", "null", "epochs to train; null takes 1000, or those of the curriculum"),
    Key("trainer.precision", "null", "32-true, bf16-mixed or 16-mixed; null is 32-true", True),
    Key("trainer.accelerator", "auto", "cpu, gpu, or auto for a GPU where there is one", True),
    Key("model.network.hidden_size", "64", "width of every state"),
    Key("model.network.horizons", "[1, 5, 10, 20]", "trading days ahead, one score each"),
    Key("model.network.dropout", "0.1", "share of hidden values dropped in training"),
    Key("model.network.gat_layers", "2", "layers of graph attention, 1 to 4"),
    Key(
        "model.objective.terms",
        "{huber: 0.1, ic: 0.3, rank_ic: 0.5, sharpe: 0.1}",
        "weight of each loss term",
    ),
    Key(
        "model.objective.target", "rank_normal", "target of a return: rank_normal, raw, winsorised or zscore"
    ),
    Key("model.optimizer", "none, give one", "class_path and init_args, for instance lr"),
    Key("model.scheduler", "null", "class_path and init_args of the learning rate's schedule"),
    Key("data.panel.path", "null", "Parquet file, folder or glob: one row a day and stock", True),
    Key("data.panel.simulate", "null", "instead of a path: options of a simulated market", True),
    Key("data.split.train", "none, give one", "first and last training day, [2015-01-01, 2016-04-08]"),
    Key("data.split.val", "none, give one", "first and last day that select the checkpoint", True),
    Key("data.split.test", "null", "first and last test day, which nothing selects on", True),
    Key("data.cache.dir", "cache", "folder of the memory-mapped copy of the panel", True),
    Key("data.graph", "null", "neighbours of a stock: {k: 20} most correlated; null for no graph"),
    Key("data.loader.lookback", "60", "days of history that a score reads"),
    Key("data.loader.batch_size", "8192", "stock-days of an optimiser step"),
    Key("early_stopping.patience", "10", "validations without a better score before training stops"),
)
EXAMPLES = {
    "fit": ("--config configs/quickstart.yaml --trainer.max_epochs 3", "train, then compare on unseen days"),
    "validate": ("--ckpt_path best_model.ckpt", "print the metrics of the validation days"),
    "test": ("--ckpt_path best_model.ckpt", "print the metrics of the test days"),
    "predict": (
        "--ckpt_path best_model.ckpt --data.predict '[2026-11-02, 2026-11-25]' --out scores.parquet",
        "write the scores of these days to a file",
    ),
}
"""Command -> an example of what follows it, and what that does."""


def short_help(command: str) -> str:
    """The text of ``python -m atft COMMAND --help``."""
    words, purpose = EXAMPLES[command]
    lines = [f"usage: python -m atft {command} [--config FILE ...] [--any.key VALUE ...]", ""]
    lines += [f"  python -m atft {command} {words}", f"      {purpose}", ""]
    lines += ["  --config FILE    YAML of the keys below; of several files the later ones win", ""]
    for key in KEYS:
        if command == "fit" or key.evaluation:
            lines.append(f"  --{key.name} (default: {key.default})")
            lines.append(f"      {key.sentence}")
    lines += [
        "",
        f"All keys, with the arguments of each class:    python -m atft {command} --help-all",
        f"All keys of a config with their values:        python -m atft {command} --config FILE --print_config",
    ]
    return "\n".join(lines)
