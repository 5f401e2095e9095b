"""Which networks and trees score: those of a run, of several seeds, of a registry's run, or a checkpoint alone."""

from pathlib import Path
from typing import NamedTuple

from atft.daily.network_scorer import load_network
from atft.daily.options import ListOptions, config_of_run
from atft.daily.registry import RECORD as OF_REGISTRY
from atft.daily.registry import known_runs
from atft.daily.scorer import Scorer, rank_mean
from atft.errors import InputError
from atft.files.checkpoint_file import BEST
from atft.files.publish import read_json

OF_SEEDS = "crossval.json"
"""File of a directory of fit --seeds, or of crossval."""


class ScoringRun(NamedTuple):
    """What scores, and where it is."""

    scorer: Scorer
    directory: Path
    """Of the run; its lists are written there."""
    cache_dir: str | None
    """Folder of the caches, where the run says so."""


def load_run(options: ListOptions) -> ScoringRun:
    """Read what scores by the options: the network of a run, its trees, or the mean rank of both.

    Raises:
        InputError: there is no run, or it lacks a checkpoint or trees; or the registry has none that was known that
            day; or a file is damaged.
    """
    if options.ckpt_path is not None:
        # What stands beside a checkpoint has no say: both may come from anywhere.
        checkpoint = Path(options.ckpt_path)
        return ScoringRun(load_network(checkpoint, options.network), checkpoint.parent, None)
    known = known_runs(Path(options.registry))(options.day) if options.registry else None
    return score_by(known or Path(str(options.run)), options)


def score_by(directory: Path, options: ListOptions) -> ScoringRun:
    """Read what scores from the directory of a run; the options say which of its networks and trees."""
    of_run = config_of_run(directory)
    parts: list[Scorer] = []
    if options.scorer != "lightgbm":
        networks = [load_network(path, options.network) for path in checkpoints_of(directory)]
        seeds = f"network ({len(networks)} seeds)"
        parts.append(networks[0] if len(networks) == 1 else rank_mean(seeds, networks))
    if options.scorer != "network":
        # Imported where it is asked for: LightGBM takes as long as all the rest.
        from atft.daily.tree_scorer import load_trees

        parts.append(load_trees(directory, of_run))
        if not parts[0].config:
            raise InputError(f"{directory}: no config.yaml there; name the directory of a run, .../version_N")
    for part in parts[1:]:
        if list(part.horizons) != list(parts[0].horizons):
            raise InputError(
                f"{directory}: its {part.name} scores {_days(part)} days ahead, its {parts[0].name} "
                f"{_days(parts[0])}; fit again"
            )
    scorer = (
        parts[0] if len(parts) == 1 else rank_mean(f"blend of {parts[0].name} and {parts[1].name}", parts)
    )
    return ScoringRun(scorer, directory, (of_run.get("data") or {}).get("cache", {}).get("dir"))


def checkpoints_of(directory: Path) -> list[Path]:
    """The checkpoints that score for a run: its own, or one of each seed.

    Raises:
        InputError: a checkpoint is missing, the run has not ended, or the directory has several folds.
    """
    if (directory / OF_SEEDS).is_file():
        from atft.crossval.directory import read_record
        from atft.crossval.plan import planned_runs
        from atft.crossval.run_state import read_state

        record = read_record(directory)
        if record.folds not in (None, 1):
            raise InputError(
                f"{directory}: its {record.folds} folds were trained on different days; name the run of one of "
                f"them, {directory}/fold_{record.folds - 1}_seed_{record.seeds[0]}/version_N"
            )
        states = [read_state(directory / run.name) for run in planned_runs(record.folds, record.seeds)]
        finished = [state.directory for state in states if state.directory is not None]
        if len(finished) < len(states):
            raise InputError(
                f"{directory}: {len(states) - len(finished)} of {len(states)} seeds have not finished; "
                f"python -m atft crossval --resume {directory}"
            )
        return [path for run in finished for path in checkpoints_of(run)]
    checkpoint = directory / BEST
    if not checkpoint.is_file():
        advice = "name the directory of a finished run, .../version_N"
        if (directory.parent.parent / OF_REGISTRY).is_file():
            advice = f"delete what is in {directory.parent}, then retrain trains that date again"
        raise InputError(f"{directory}: no {BEST} there; {advice}")
    # Its best epoch so far may be the first of sixty, and a list does not show that.
    if (read_json(directory / "receipt.json") or {}).get("status") == "running":
        raise InputError(
            f"{directory}: still training, or killed (status running in receipt.json); finish it, as "
            f"fit --ckpt_path last does, or take the weights as they are with --ckpt_path {checkpoint}"
        )
    return [checkpoint]


def _days(scorer: Scorer) -> str:
    return ", ".join(map(str, scorer.horizons))
