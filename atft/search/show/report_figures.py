"""The figures of a sweep's report: what the search found, what mattered, and where pruning cut.

Optuna draws them; here is decided which, in what order, and what each needs: a study with too few trials for a
figure goes without it rather than with an empty one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import optuna

SLICED = 12
"""Parameters that the slices show at most, the most important first."""


class Drawn(NamedTuple):
    """A figure as HTML, without the drawing library."""

    title: str
    says: str
    """How to read it, in a sentence."""
    html: str


def figures(study: "optuna.Study", metric: str, step: str = "epoch") -> list[Drawn]:
    """Draw every figure that the study has enough trials for.

    Args:
        study: any; without a complete trial only the timeline is drawn, without any trial nothing.
        metric: name of the objective, for the axes.
        step: what a trial reports its value after: an epoch, or a fold.
    """
    import optuna.visualization as draw
    from optuna.trial import TrialState

    study = with_short_names(study)
    trials = study.get_trials(deepcopy=False)
    complete = [t for t in trials if t.state is TrialState.COMPLETE]
    ranked = importances(study)
    names = list(ranked)
    drawn: list[Drawn] = []

    def add(title: str, says: str, make: Callable[..., Any], **options: Any) -> None:
        figure = make(study, **options)
        figure.update_layout(title=None, margin={"t": 30}, template="plotly_white", width=None)
        drawn.append(Drawn(title, says, figure.to_html(full_html=False, include_plotlyjs=False)))

    if complete:
        add(
            "Optimisation history",
            "Each dot a completed trial, the line the best so far: flat at the end, more trials would add little.",
            draw.plot_optimization_history,
            target_name=metric,
        )
    if ranked:
        add(
            "Parameter importance",
            "Share of the success that each parameter decides (PED-ANOVA); a handful of trials says little.",
            draw.plot_param_importances,
            target_name=metric,
            params=names,
        )
        shown = names[:SLICED]
        add(
            "Slices",
            "The objective against one parameter at a time; darker dots are later trials.",
            draw.plot_slice,
            params=shown,
            target_name=metric,
        )
        add(
            "Parallel coordinates",
            "Each line a trial; drag along an axis to keep those that pass through.",
            draw.plot_parallel_coordinate,
            params=shown,
            target_name=metric,
        )
    if len(names) >= 2:
        add(
            f"Contour of the two most important: {names[0]}, {names[1]}",
            "Where in their plane the objective is high; only near the dots is it more than interpolation.",
            draw.plot_contour,
            params=names[:2],
            target_name=metric,
        )
    if any(t.intermediate_values for t in trials):
        add(
            "Learning curves and pruning",
            f"The objective by {step}; a line that ends early was pruned.",
            learning_curves,
            metric=metric,
            step=step,
        )
    if any(t.datetime_start for t in trials):
        add(
            "Timeline",
            "When each trial ran and how it ended: gaps are time without work, short red bars are failures.",
            draw.plot_timeline,
        )
    return drawn


def learning_curves(study: "optuna.Study", metric: str, step: str) -> Any:
    """What each trial reported on its way, counted from 1 as everywhere else."""
    import optuna.visualization as draw

    figure = draw.plot_intermediate_values(study)
    figure.for_each_trace(lambda trace: trace.update(x=[number + 1 for number in trace.x]))
    return figure.update_layout(xaxis_title=step, yaxis_title=metric)


def with_short_names(study: "optuna.Study") -> "optuna.Study":
    """Copy a study into memory, its keys cut to their last part where no two share it: room on the axes."""
    from copy import copy

    import optuna

    trials = study.get_trials(deepcopy=False)
    short = short_names(sorted({key for t in trials for key in t.params}))
    told = optuna.create_study(direction=study.direction, study_name=study.study_name)
    for trial in trials:
        renamed = copy(trial)
        renamed.params = {}
        renamed.distributions = {short[key]: kind for key, kind in trial.distributions.items()}
        renamed.params = {short[key]: value for key, value in trial.params.items()}
        told.add_trial(renamed)
    return told


def short_names(keys: list[str]) -> dict[str, str]:
    """Each dotted key's last part; the whole key where two share it."""
    ends = [key.rpartition(".")[2] for key in keys]
    return {key: end if ends.count(end) == 1 else key for key, end in zip(keys, ends, strict=True)}


def importances(study: "optuna.Study") -> dict[str, float]:
    """Importance of each parameter, the highest first; empty where too few trials are complete to tell."""
    from optuna.importance import get_param_importances
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < 2 or len({t.value for t in complete}) < 2:
        return {}
    return get_param_importances(study)
