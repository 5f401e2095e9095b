"""pretrain: train a network's states to predict hidden features of their day, on no day that anything scores.

Its keys are those of ``fit``, whose config it takes; ``fit --init_from`` takes the weights.
"""

from typing import TYPE_CHECKING

from atft.commands.resume import resume_advice

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI

OVERLOOKED = (
    *("--model.objective", "--model.metrics", "--early_stopping", "--checkpoint"),
    *("--trainer.callbacks", "--baselines", "--lightgbm"),
)
"""Keys of ``fit`` that a config may have, and that would do nothing here."""


def pretrain(cli: "RankingCLI") -> int:
    """Train, print where the weights are, and write the receipt; the exit status."""
    from atft.callbacks.record.messages import print_and_log
    from atft.commands.after_fit import status_line
    from atft.commands.start_lines import start_lines
    from atft.runs.pretraining_callbacks import PRETRAINED
    from atft.tasks.initial_weights import load_initial_weights

    data = cli.datamodule
    if cli.config.init_from is not None:
        load_initial_weights(cli.model, cli.config.init_from, data)
    cli.make_directory()
    if cli.trainer.is_global_zero:
        print_and_log(cli.directory, *start_lines(cli, {"pretrain": data.pretraining_days()}))
    with resume_advice(cli):
        cli.trainer.fit(cli.model, datamodule=data)
    if not cli.trainer.is_global_zero:
        return 0
    cli.record.finish({n: v for n, v in cli.record.history[-1].items() if n.startswith("train/explained")})
    next_step = f"fit --init_from {cli.directory / PRETRAINED} begins with these weights"
    print_and_log(cli.directory, status_line(cli), next_step)
    return 1 if cli.record.receipt.status == "failed" else 0
