"""``fit --help`` and its like: the keys that matter, without importing what knows all of them.

The defaults are those of the parser, which a test compares; ``--help-all`` asks the parser itself: some seconds.
"""

from typing import NamedTuple

from atft.commands.from_prices import COMMANDS as FROM_PRICES

FIT, PREDICT, PRETRAIN = ("fit",), ("predict",), ("pretrain",)
MEASURING = ("fit", "validate", "test")
EXPORT = ("export",)
EVERY = (*MEASURING, "predict", "export")
TRAINING = ("fit", "pretrain")
"""Commands that train a network, and so have loggers, callbacks and a directory of the run."""
TRAINED = (*TRAINING, "baseline")
NETWORK = (*EVERY, "pretrain")
SHARED = (*NETWORK, "baseline")
CACHE = ("cache",)
PANEL = (*SHARED, *CACHE)
"""Commands that read a panel."""

ONE_DAY = {"--last", "--on", "--from", "--to", "--run", "--registry", "--scorer"}
"""Options of ``predict`` that are no keys: they score day by day, for one day's list or for a period's file."""
NO_KEYS = {
    "fit": ("--seeds", "--prices"),
    "pretrain": ("--prices",),
    "baseline": ("--seeds", "--prices"),
    "cache": ("--prune", "--dry_run", "--runs"),
    "predict": tuple(sorted(ONE_DAY)),
}
"""Options of a command with keys that are no keys of a config: the dispatcher or the command takes them."""


class Key(NamedTuple):
    """A key of a config: its default as a config writes it, one sentence, and the commands that it matters to."""

    name: str
    default: str
    sentence: str
    commands: tuple[str, ...] = FIT


REQUIRED = "none, give one"
OF_CHECKPOINT = ("model.network", "data.panel.", "data.split.")
"""How keys begin that an evaluation takes from the checkpoint where they are not given."""
KEYS = (
    Key("name", "run", "folder of the run: lightning_logs/<name>/version_N", SHARED),
    Key("seed_everything", "1", "seed of weights, dropout and the order of the blocks", TRAINED),
    Key("ckpt_path", "null", "checkpoint to resume or to evaluate; last: the newest of this name", EVERY),
    Key("init_from", "null", "checkpoint of fit or pretrain whose weights training starts from", TRAINING),
    Key(
        "trainer.max_epochs", "null", "epochs to train; null takes 1000, or those of the curriculum", TRAINING
    ),
    Key(
        "trainer.precision",
        "null",
        "32-true or bf16-mixed; null takes bf16-mixed on a GPU that has it",
        NETWORK,
    ),
    Key("trainer.accelerator", "auto", "cpu, gpu, or auto for a GPU where there is one", NETWORK),
    Key(
        "model.network",
        "atft.nn.atft_gat_fan.ATFTGATFAN",
        "class of the network, atft's or your own",
        NETWORK,
    ),
    Key("model.network.hidden_size", "64", "width of every state; likewise each argument of the class"),
    Key("model.network.dropout", "0.1", "share of hidden values dropped in training"),
    Key("model.horizons", "[1, 5, 10, 20]", "trading days ahead, one score each", (*TRAINED, *CACHE)),
    Key(
        "model.objective.terms",
        "{huber: 0.1, ic: 0.3, rank_ic: 0.5, sharpe: 0.1}",
        "weight of each loss term",
    ),
    Key(
        "model.objective.target",
        "rank_normal",
        "target transform: rank_normal, rank, raw, winsorised or zscore",
    ),
    Key("model.hide_features", "0.3", "share of the values of a stock-day that are hidden", PRETRAIN),
    Key("model.hide_days", "0.1", "share of stock-days whose whole row is hidden", PRETRAIN),
    Key("model.metrics", "null", "metrics of your own beside RankIC, [mypkg.metrics.top_hit]", MEASURING),
    Key("model.optimizer", REQUIRED, "class_path and init_args, for instance lr", TRAINING),
    Key("model.scheduler", "null", "class_path and init_args of the learning-rate schedule", TRAINING),
    Key("data.panel.path", "null", "Parquet file, folder or glob: one row per date and code", PANEL),
    Key("data.panel.simulate", "null", "options of a simulated market, in place of a path", PANEL),
    Key("data.split.train", REQUIRED, "first and last training day, [2015-01-01, 2016-04-08]", TRAINED),
    Key("data.split.val", REQUIRED, "first and last day that select the checkpoint", SHARED),
    Key("data.split.test", "null", "first and last test day, which nothing selects on", SHARED),
    Key("data.split.fold", "null", "number of the fold that trains, from 0: docs/splits.md", TRAINED),
    Key("data.predict", "null", "first and last day to score; null: from the first validation day", PREDICT),
    Key("data.cache.dir", "cache", "folder of the memory-mapped copy of the panel", PANEL),
    Key(
        "data.graph",
        "null",
        "neighbours of a stock: {k: 20} most correlated; null for no graph",
        (*TRAINING, *CACHE),
    ),
    Key("data.loader.lookback", "60", "days of history that a score reads", TRAINED),
    Key("data.loader.batch_size", "8192", "stock-days of an optimiser step", TRAINING),
    Key(
        "out",
        "null",
        "file to write, in the format of its suffix; null: beside the checkpoint",
        (*PREDICT, *EXPORT),
    ),
    Key("to", "null", "pt2 for torch without atft, onnx for any runtime of ONNX", EXPORT),
    Key("baselines", "[ridge, lightgbm]", "baselines of the last table; [ridge] is fast, [] fits none"),
    Key("checkpoint.select", "best", "epoch whose weights score later days: best or last"),
    Key("early_stopping.patience", "10", "validations without a better score before training stops"),
)
GROUPS = {
    "data": ("data.",),
    "model": ("model.",),
    "training": ("trainer.", "checkpoint.", "early_stopping.", "seed_everything"),
    "run": ("name", "baselines", "ckpt_path", "init_from", "to", "out"),
}
"""Heading -> how the names of its keys begin."""


class Command(NamedTuple):
    """What a command does, and how it is called."""

    purpose: str
    examples: dict[str, str]
    """What may follow the command -> what that does."""
    options: tuple[str, ...] = ()
    """Lines on options that are no keys."""


PRICES = "  --prices PATH    daily prices in place of a panel; --features.KEY VALUE sets how: features --help"
OPTIONS = (
    "  --config FILE    YAML file, or the name of a shipped config; of several, the later ones win",
    "  --any.key VALUE  any key of a config; wins over all files",
    "  --threads N      most threads of each numerical library; default: the cores",
    "  --debug          show the traceback of an error",
    "",
    "Name a network, loss term or metric of your own by its dotted path, mypkg.nets.TwoLayers: docs/extending.md",
)
"""The lines between what a command does and its keys."""
BEST = "lightning_logs/NAME/version_0/best_model.ckpt"
COMMANDS = {
    "fit": Command(
        "Train a network on the training days, select a checkpoint on the validation days, score the test days,\n"
        "and compare with baselines in a table. The run is kept in lightning_logs/<name>/version_N.",
        {
            "--config quickstart": "a first run, on a simulated market: about a minute on 2 cores",
            "--config mine.yaml --data.panel.path panels/mine.parquet": "your own panel and config",
            "--config mine.yaml --data.split.val '[2013-01-01, 2014-12-31]'": "lists and mappings are quoted",
            "--config mine.yaml --trainer.max_epochs 20 --ckpt_path last": "resume an interrupted run, or train on",
        },
        (
            "  --seeds N        train N seeds in processes, and score by the mean of their ranks: crossval --help",
        ),
    ),
    "pretrain": Command(
        "Train a network to predict hidden features from the rest of the row, the history and the neighbours, on\n"
        "the days up to the last training day. The weights are kept in lightning_logs/<name>_pretrain/version_N.\n"
        "fit --init_from starts from them, with new heads.",
        {
            "--config nasdaq --trainer.max_epochs 5": "the network, panel and split of a config of fit",
            "--config nasdaq --data.split.fold 2 --trainer.max_epochs 5": "for a fold of data.split.folds",
        },
    ),
    "validate": Command(
        "Print the metrics of a checkpoint on the validation days.",
        {f"--ckpt_path {BEST}": "with the data and split of its run"},
    ),
    "test": Command(
        "Print the metrics of a checkpoint on the test days.",
        {f"--ckpt_path {BEST}": "with the data and split of its run"},
    ),
    "predict": Command(
        "Write the scores of a checkpoint to a file of date, code, horizon, score and target.",
        {
            f"--ckpt_path {BEST}": "from the first validation day to the end",
            "--ckpt_path best_model.ckpt --data.predict '[2026-11-02, 2026-11-25]' --out scores.csv": "these days",
            "--ckpt_path best_model.ckpt --data.panel.path panels/new_days.parquet": "of a newer panel",
            "--ckpt_path best_model.ckpt --model.network mypkg.nets.TwoLayers": "of a network of your own",
            "--last --run lightning_logs/NAME/version_0": "the ranked list of the last day: predict --last --help",
            "--from 2026-11-02 --run lightning_logs/NAME/version_0 --scorer blend": "a period, by both models",
        },
        ("  --last, --on DATE  write one day's ranked list; --registry DIR: by the checkpoint of that day",),
    ),
    "export": Command(
        "Write the network of a checkpoint as a program that runs without atft, for any number of stocks and\n"
        "edges, with its scaling inside. A JSON file beside it describes the inputs. Before it is written, its\n"
        "results are compared with the checkpoint's on 20 random days. onnx needs: pip install 'atft[export]'",
        {
            f"--ckpt_path {BEST} --to onnx": "writes best_model.onnx and best_model.onnx.json beside it",
            "--ckpt_path best_model.ckpt --out scorer.pt2": "torch's own format, to this file",
            "--ckpt_path best_model.ckpt --to pt2 --data.panel.path new_days.parquet": "compare on these days",
        },
    ),
    "cache": Command(
        "Build the memory-mapped cache of a config's panel, or find the one that is there, and print what is in\n"
        "it. fit builds it too; to build it first shows mistakes in the panel without a training.",
        {
            "--config mine.yaml": "build or find it",
            "--config mine.yaml --verify": "compare every byte with its digest",
            "--prune --dry_run": "the caches that no run needs: cache --prune --help",
        },
        (
            "  --verify         read everything and compare every digest",
            "  --append         only append to the cache of an earlier state of the panel; without one, an error",
        ),
    ),
    "baseline": Command(
        "Fit ridge, LightGBM or a perceptron on the rows, features and days that the network would train on,\n"
        "one model a horizon. Score the later days in lightning_logs/<name>_<model>/version_N, and compare.\n"
        "The validation days stop training. lightgbm and mlp need: pip install 'atft[baselines]'",
        {
            "--model lightgbm --config nasdaq": "the panel, split and horizons of a config of fit",
            "--model mlp --config mine.yaml --seeds 5": "five seeds in one file, from seed_everything on",
            f"--model ridge --ckpt_path {BEST}": "the data of a run",
        },
        (
            "  --model NAME     ridge, lightgbm or mlp",
            "  --seeds N        seeds, each with its own models; default 1",
            "  --lightgbm.NAME  objective, label, num_leaves, learning_rate, min_data_in_leaf, lambda_l2,\n"
            "                   feature_fraction, bagging_fraction, trees or market_columns of lightgbm",
        ),
    ),
}
NEXT = {
    "a config to start from": "configs quickstart > mine.yaml",
    "a panel from daily prices": "features --help",
    "scores of new days": "predict --help",
    "a search for better settings": "sweep --help",
}
"""What usually comes before or after training -> the command."""


def short_help(command: str) -> str:
    """The text of ``python -m atft COMMAND --help``."""
    program, (purpose, examples, extra) = f"python -m atft {command}", COMMANDS[command]
    lines = [f"usage: {program} [--config FILE ...] [--any.key VALUE ...]", "", purpose, "", *extra]
    lines += [*([PRICES] if command in FROM_PRICES else []), *OPTIONS]
    for heading, starts in GROUPS.items():
        keys = [k for k in KEYS if k.name.startswith(starts) and command in k.commands]
        if keys:
            lines += ["", heading, *(_line(key, command) for key in keys)]
    lines += ["", "examples"]
    for words, effect in examples.items():
        lines += [f"  {program} {words}", f"      {effect}"]
    more = {
        "all keys": f"{command} --help-all",
        "the keys of a config, resolved": f"{command} --config FILE --print_config",
        **(NEXT if command == "fit" else {"shipped configs": "configs"}),
    }
    lines += ["", "more", *(f"  {what:<32}python -m atft {words}" for what, words in more.items())]
    if command == "fit":
        lines.append(f"  {'watch it':<32}tensorboard --logdir lightning_logs")
    return "\n".join(lines)


def _line(key: Key, command: str) -> str:
    default = "required" if key.default == REQUIRED else f"default {key.default}"
    if command in EVERY and command != "fit" and key.name.startswith(OF_CHECKPOINT):
        default = "default: the checkpoint's"
    if command != "fit" and key.name == "ckpt_path":
        default = "required"
    return f"  --{key.name:<26}{key.sentence}; {default}"
