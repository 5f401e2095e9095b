"""The charts of a sweep's report: what the search found, what mattered, and where pruning cut.

Blue is a completed trial, grey a pruned one, red a failed one, magenta the best one. A study with too few trials
for a chart goes without it rather than with an empty one. Nothing is drawn between trials: with some twenty of them
in four or more dimensions, a surface would show the interpolation and not the sweep.
"""

import math
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from atft.drawing import charts, palette
from atft.drawing.page import Drawing, LegendKey, anchor, clipped
from atft.search.show.parameter_scale import ParameterScale
from atft.search.study.outcome import Outcome, best_trial, is_surplus, outcome_of

MAX_SLICES = 8
"""Parameters that are drawn one by one at most, the most important first."""
MAX_PARALLEL = 6
MAX_IMPORTANCES = 15
UNCROWDED = 40
"""Lines that a chart has room for."""
MIN_OPACITY = 0.2
"""Of the trial with the lowest value, where opacity shows values."""
OUTCOME_ROLES = {
    Outcome.COMPLETE: "score",
    Outcome.PRUNED: "control",
    Outcome.FAILED: "loss",
    Outcome.RUNNING: "gain",
    Outcome.INTERRUPTED: "file-4",
}
BEST = LegendKey("best", "best", "dot")
COMPLETE = LegendKey("score", "complete", "dot")


def sweep_drawings(study: optuna.Study, metric: str, step: str = "epoch") -> list[Drawing]:
    """Draw every chart that the study has enough trials for; ``step`` is epoch or fold, what values are of."""
    of_study = _StudyCharts(study, metric, step)
    weights = importances(study)
    ranked = list(weights)
    # Whether the study has enough for it, and how to draw it.
    candidates: list[tuple[object, Callable[[], Drawing]]] = [
        (of_study.complete, of_study.history),
        (any(t.intermediate_values for t in of_study.trials), of_study.learning_curves),
        (ranked, lambda: of_study.importance(weights)),
        (len(ranked) >= 2, lambda: of_study.plane(ranked[0], ranked[1])),
        (len(ranked) >= 2, lambda: of_study.parallel(ranked[:MAX_PARALLEL])),
        (any(t.datetime_start for t in of_study.trials), of_study.timeline),
    ]
    drawings = [draw() for possible, draw in candidates if possible]
    return drawings + [of_study.slice(key) for key in ranked[:MAX_SLICES]]


class _StudyCharts:
    """The trials of a study, and the charts of them."""

    def __init__(self, study: optuna.Study, metric: str, step: str) -> None:
        self.metric, self.step, self.minimize = metric, step, study.direction.name == "MINIMIZE"
        self.trials = [t for t in study.get_trials(deepcopy=False) if not is_surplus(t)]
        self.complete = [t for t in self.trials if t.state is TrialState.COMPLETE]
        self.best = best_trial(self.trials, study.direction.name.lower())
        self.short = short_names(sorted({key for t in self.trials for key in t.params}))
        # Of many lines each is fainter.
        self.crowd = min(1.0, math.sqrt(UNCROWDED / max(len(self.trials), 1)))
        # By value, the best last: where marks overlap, the best are in front.
        self.by_value = sorted(self.complete, key=_value, reverse=self.minimize)

    def history(self) -> Drawing:
        figure, axes = charts.new_chart()
        numbers = [t.number for t in self.complete]
        values = [_value(t) for t in self.complete]
        axes.plot(numbers, values, "o", color=palette.SCORE.light, markersize=6)
        so_far = list(accumulate(values, min if self.minimize else max))
        axes.step(numbers, so_far, where="post", color=palette.INK.light, linewidth=1.4)
        self._mark_best(axes, lambda t: (t.number, _value(t)))
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        charts.label_axes(axes, "trial", self.metric)
        note = "Each dot is a completed trial. A line that is flat at the end: more trials would add little."
        legend = (COMPLETE, LegendKey("ink", "best so far"), BEST)
        return _drawing("Optimisation history", note, figure, legend)

    def learning_curves(self) -> Drawing:
        figure, axes = charts.new_chart()
        reported = [t for t in self.trials if t.intermediate_values]
        legend = []
        # The best last, in front of all others.
        for trial in sorted(reported, key=lambda t: (t is self.best, t.state is TrialState.COMPLETE)):
            steps = sorted(trial.intermediate_values)
            values = [trial.intermediate_values[s] for s in steps]
            is_best = trial is self.best
            role, text = self._role(trial)
            legend.append(LegendKey(role, text))
            axes.plot(
                [s + 1 for s in steps],
                values,
                marker="o" if len(steps) == 1 else None,
                markersize=4,
                color=palette.ROLES[role].light,
                alpha=1 if is_best else 0.7 * self.crowd,
                linewidth=2.2 if is_best else 1.2,
            )
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        charts.label_axes(axes, self.step, self.metric)
        note = f"The objective by {self.step}. A line that ends early was pruned."
        return _drawing("Learning curves and pruning", note, figure, tuple(dict.fromkeys(legend)))

    def importance(self, weights: dict[str, float]) -> Drawing:
        shown = list(weights.items())[:MAX_IMPORTANCES][::-1]
        figure, axes = charts.new_chart(height=64 + 26 * max(len(shown), 4), left=160, right=48)
        names, shares = [self.short[key] for key, _ in shown], [100 * share for _, share in shown]
        bars = axes.barh(range(len(names)), shares, color=palette.SCORE.light, height=0.6)
        axes.set_yticks(range(len(names)), [clipped(name, 24) for name in names])
        axes.bar_label(
            bars, [f"{s:.0f} %" for s in shares], padding=4, fontsize=charts.FONT, color=palette.INK.light
        )
        axes.grid(visible=False)
        axes.set_ylim(-0.6, max(len(shown), 4) - 0.4)
        charts.label_axes(axes, "share of the variation of the objective, %")
        note = "How much of the success each parameter decides (PED-ANOVA). A handful of trials says little."
        return _drawing("Parameter importance", note, figure, ())

    def plane(self, x: str, y: str) -> Drawing:
        names = f"{self.short[x]}, {self.short[y]}"
        figure, axes = charts.new_chart()
        across, up = ParameterScale.of(x, self.trials), ParameterScale.of(y, self.trials)
        # Pruned trials have no value of the same epoch: they show where the search has been.
        pruned = [t for t in self.trials if t.state is TrialState.PRUNED and x in t.params and y in t.params]
        small = {"color": palette.CONTROL.light, "markersize": 4}
        axes.plot([across.at(t) for t in pruned], [up.at(t) for t in pruned], "o", **small)
        for trial, opacity in zip(self.by_value, self._opacities(), strict=True):
            axes.plot(
                across.at(trial), up.at(trial), "o", color=palette.SCORE.light, alpha=opacity, markersize=10
            )
        self._mark_best(axes, lambda t: (across.at(t), up.at(t)), size=11)
        across.label(axes.xaxis)
        up.label(axes.yaxis)
        charts.label_axes(axes, self.short[x], self.short[y])
        legend = (
            LegendKey("score", "complete, the stronger the better", "dot"),
            *([LegendKey("control", "pruned", "dot")] if pruned else []),
            BEST,
        )
        note = "Every trial in the plane of the two parameters that matter most. Where no dot is, nothing is known."
        return _drawing(f"The two most important: {names}", note, figure, legend)

    def parallel(self, keys: list[str]) -> Drawing:
        figure, axes = charts.new_chart(left=30, right=30, top=26, bottom=64)
        scales = [ParameterScale.of(key, self.trials) for key in keys]
        for trial, opacity in zip(self.by_value, self._opacities(), strict=True):
            is_best = trial is self.best
            axes.plot(
                range(len(keys)),
                [scale.share(trial) for scale in scales],
                color=(palette.BEST if is_best else palette.SCORE).light,
                alpha=1 if is_best else opacity * self.crowd,
                linewidth=2.4 if is_best else 1.3,
            )
        axes.grid(visible=False)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_yticks([])
        axes.set_ylim(-0.04, 1.04)
        small = {"fontsize": 11, "ha": "center", "color": palette.MUTED.light}
        for i, scale in enumerate(scales):
            axes.axvline(i, color=palette.LINE.light, linewidth=1)
            low, high = scale.text(scale.low), scale.text(scale.high)
            axes.annotate(high, (i, 1.04), (0, 4), textcoords="offset points", va="bottom", **small)
            axes.annotate(low, (i, -0.04), (0, -4), textcoords="offset points", va="top", **small)
        # Names of neighbours stand at two heights, so that they never overlap.
        axes.set_xticks(
            range(len(keys)),
            [("\n" if i % 2 else "") + clipped(self.short[k], 18) for i, k in enumerate(keys)],
        )
        axes.tick_params(axis="x", length=0, pad=18)
        axes.set_xlim(-0.25, len(keys) - 0.75)
        legend = (LegendKey("score", "complete, the stronger the better"), LegendKey("best", "best"))
        note = "Each line is a trial. Where strong lines meet, a value is good."
        return _drawing("Parallel coordinates", note, figure, legend)

    def timeline(self) -> Drawing:
        figure, axes = charts.new_chart(height=170, left=48)
        started = [t for t in self.trials if t.datetime_start is not None]
        origin = min(t.datetime_start for t in started if t.datetime_start)
        last = max(t.datetime_complete or t.datetime_start or origin for t in started)
        legend, free = [], [0.0]  # the minute from which each row of bars is free
        for trial in sorted(started, key=lambda t: t.datetime_start or origin):
            role, text = self._role(trial)
            legend.append(LegendKey(role, text, "box"))
            begin = ((trial.datetime_start or origin) - origin).total_seconds() / 60
            end = ((trial.datetime_complete or last) - origin).total_seconds() / 60
            row = next((i for i, since in enumerate(free) if since <= begin), len(free))
            free[row:] = [end, *free[row + 1 :]]
            colour = palette.ROLES[role].light
            axes.barh(
                row + 1, end - begin, left=begin, height=0.7, color=colour, edgecolor=palette.PAPER.light
            )
        axes.invert_yaxis()
        axes.set_yticks(range(1, len(free) + 1))
        axes.grid(visible=False)
        charts.label_axes(axes, "minutes since the first trial began", "at once")
        note = "When each trial ran and how it ended; a row for each that ran at once. Gaps are time without work."
        return _drawing("Timeline", note, figure, tuple(dict.fromkeys(legend)))

    def slice(self, key: str) -> Drawing:
        figure, axes = charts.new_chart(height=210)
        scale = ParameterScale.of(key, self.trials)
        for trial in self.complete:
            axes.plot(scale.at(trial), trial.value, "o", color=palette.SCORE.light, alpha=0.75, markersize=6)
        self._mark_best(axes, lambda t: (scale.at(t), _value(t)))
        scale.label(axes.xaxis)
        charts.label_axes(axes, self.short[key], self.metric)
        return _drawing(f"Slice: {self.short[key]}", "", figure, ())

    def _role(self, trial: FrozenTrial) -> tuple[str, str]:
        """The colour of a trial, and what it means."""
        if trial is self.best:
            return "best", "best"
        outcome = outcome_of(trial)
        return OUTCOME_ROLES.get(outcome, "control"), str(outcome)

    def _opacities(self) -> list[float]:
        """Of the completed trials by value, the best last."""
        count = len(self.by_value)
        return [1 - (1 - MIN_OPACITY) * (count - 1 - i) / count for i in range(count)]

    def _mark_best(
        self, axes: Any, point_of: Callable[[FrozenTrial], tuple[float, float]], size: float = 9
    ) -> None:
        if self.best is not None:
            x, y = point_of(self.best)
            edge = {"markeredgecolor": palette.INK.light, "markeredgewidth": 1.2}
            axes.plot(x, y, "o", color=palette.BEST.light, markersize=size, **edge)


def _value(trial: FrozenTrial) -> float:
    return float(trial.value or 0)


def _drawing(title: str, note: str, figure: Any, legend: tuple[LegendKey, ...]) -> Drawing:
    return Drawing(title, note, charts.inline_svg(figure, anchor(title), f"{title}. {note}"), legend)


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
