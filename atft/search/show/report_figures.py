"""The figures of a sweep's report: what the search found, what mattered, and where pruning cut.

Optuna draws them with matplotlib; here is decided which, in what order, and what each needs: a study with too few
trials for a figure goes without it rather than with an empty one.
"""

import io
import warnings
from collections.abc import Callable
from copy import copy
from itertools import product
from typing import Any, NamedTuple

import optuna
from optuna.trial import TrialState

MAX_SLICES = 12
"""Parameters that the slices show at most, the most important first."""
WIDTH, HEIGHT = 11.0, 4.5
"""Of a figure, in inches."""


class Drawn(NamedTuple):
    """A figure as SVG."""

    title: str
    note: str
    """How to read it, in a sentence."""
    svg: bytes


def figures(study: optuna.Study, metric: str, step: str = "epoch") -> list[Drawn]:
    """Draw every figure that the study has enough trials for; ``step`` is epoch or fold, what values are of."""
    import optuna.visualization.matplotlib as draw

    study = with_short_names(study)
    trials = study.get_trials(deepcopy=False)
    ranked = list(importances(study))
    shown, best_two = ranked[:MAX_SLICES], ranked[:2]
    complete = any(t.state is TrialState.COMPLETE for t in trials)
    reported = any(t.intermediate_values for t in trials)
    started = any(t.datetime_start for t in trials)
    # Whether the study has enough for it, title, how to read it, and how to draw it.
    candidates: list[tuple[object, str, str, Callable[[], Any]]] = [
        (
            complete,
            "Optimisation history",
            "Each dot a completed trial, the line the best so far: flat at the end, more trials would add little.",
            lambda: draw.plot_optimization_history(study, target_name=metric),
        ),
        (
            ranked,
            "Parameter importance",
            "Share of the success that each parameter decides (PED-ANOVA); a handful of trials says little.",
            lambda: draw.plot_param_importances(study, params=ranked, target_name=metric),
        ),
        (
            ranked,
            "Slices",
            "The objective against one parameter at a time; darker dots are later trials.",
            lambda: draw.plot_slice(study, params=shown, target_name=metric),
        ),
        (
            ranked,
            "Parallel coordinates",
            "Each line a trial, the darker the better: where dark lines meet, a value is good.",
            lambda: draw.plot_parallel_coordinate(study, params=shown, target_name=metric),
        ),
        (
            len(ranked) >= 2,
            f"Contour of the two most important: {', '.join(best_two)}",
            "Where in their plane the objective is high; only near the dots is it more than interpolation.",
            lambda: draw.plot_contour(study, params=best_two, target_name=metric),
        ),
        (
            reported,
            "Learning curves and pruning",
            f"The objective by {step}; a line that ends early was pruned.",
            lambda: learning_curves(study, metric, step),
        ),
        (
            started,
            "Timeline",
            "When each trial ran and how it ended: gaps are time without work, short red bars are failures.",
            lambda: draw.plot_timeline(study),
        ),
    ]
    return [Drawn(title, note, _svg(make)) for possible, title, note, make in candidates if possible]


def _svg(make: Callable[[], Any]) -> bytes:
    """Draw a figure without the title, which the page has; the style that Optuna sets for it is undone."""
    import matplotlib
    import matplotlib.pyplot as plt

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # experimental since 2.2; a legend without an entry, an axis of one value
        plt.switch_backend("agg")
        make()
        figure = plt.gcf()
        figure.suptitle("")
        for axes, place in product(figure.axes, ("left", "center")):
            axes.set_title("", loc=place)
        figure.set_size_inches(WIDTH, HEIGHT)
        file = io.BytesIO()
        figure.savefig(file, format="svg", bbox_inches="tight")
        plt.close(figure)
    return file.getvalue()


def learning_curves(study: optuna.Study, metric: str, step: str) -> Any:
    """What each trial reported on its way, counted from 1 as everywhere else."""
    import optuna.visualization.matplotlib as draw

    axes: Any = draw.plot_intermediate_values(study)
    for line in axes.lines:
        line.set_xdata([number + 1 for number in line.get_xdata()])
    axes.legend([], frameon=False)  # with a row for each trial, it would be longer than the page
    axes.relim()
    axes.autoscale_view()
    axes.set(xlabel=step, ylabel=metric)
    return axes


def with_short_names(study: optuna.Study) -> optuna.Study:
    """Copy a study into memory, its keys cut to their last part where no two share it: room on the axes."""
    trials = study.get_trials(deepcopy=False)
    short = short_names(sorted({key for t in trials for key in t.params}))
    renamed = optuna.create_study(direction=study.direction, study_name=study.study_name)
    for trial in trials:
        own = copy(trial)
        own.params = {}
        own.distributions = {short[key]: kind for key, kind in trial.distributions.items()}
        own.params = {short[key]: value for key, value in trial.params.items()}
        renamed.add_trial(own)
    return renamed


def short_names(keys: list[str]) -> dict[str, str]:
    """Each dotted key's last part; the whole key where two share it."""
    ends = [key.rpartition(".")[2] for key in keys]
    return {key: end if ends.count(end) == 1 else key for key, end in zip(keys, ends, strict=True)}


def importances(study: optuna.Study) -> dict[str, float]:
    """Importance of each parameter, the highest first; empty where too few trials are complete to tell."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len({t.value for t in complete}) < 2:
        return {}
    return optuna.importance.get_param_importances(study)
