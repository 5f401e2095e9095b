"""Before the first trial: does each key do something, and can every point of the space be built and trained?

A key that changes nothing wastes the whole search, and a corner that crashes wastes a part of it; both are found
here within a minute, on noise, before any data is read. Corners come first, then points drawn inside; what time
does not allow is left out and counted.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from atft.errors import InputError, one_line
from atft.process.progress import track
from atft.search.question.config import trial_config
from atft.search.question.options import SweepOptions
from atft.search.question.space import Point, class_choices, corners, ends, random_points

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI

MAX_SECONDS = 60.0
MAX_CORNERS, RANDOM_POINTS = 64, 100


def preflight(sweep: SweepOptions, seconds: float = MAX_SECONDS) -> str:
    """Check a sweep against its base config; the result in a line.

    Raises InputError, which names it, for a key that is not in the base config or changes nothing, a metric that no
    epoch logs, or a point that does not build or step. What ``seconds`` do not allow is left out.
    """
    from atft.commands.train import build
    from atft.metrics.own_metrics import nearest_metric

    start = time.monotonic()
    reference = build("fit", {**trial_config(sweep, {}), "checkpoint": {}})
    logged = reference.model.logged_names()
    if sweep.metric not in logged:
        raise InputError(f"metric: no epoch logs {sweep.metric!r}{nearest_metric(sweep.metric, logged)}")
    check_effects(sweep, reference)
    edges, inside = corners(sweep.space, MAX_CORNERS), random_points(sweep.space, RANDOM_POINTS)
    points = [*sweep.enqueue, *edges, *inside]
    tried = 0
    for point in track(points, "preflight", total=len(points)):
        if time.monotonic() > start + seconds:
            break
        try_point(sweep, point, reference)
        tried += 1
    tried = max(0, tried - len(sweep.enqueue))
    at_edges = min(tried, len(edges))
    return (
        f"preflight: every key does something; tried {at_edges} of {len(edges)} corners and {tried - at_edges} of "
        f"{len(inside)} points inside: all build and step ({time.monotonic() - start:.0f} s)"
    )


def check_effects(sweep: SweepOptions, reference: "RankingCLI") -> None:
    """Check that each key of the space makes a difference to what is built and trained.

    Its values are compared with all other keys at the base's values; where the space chooses between blocks
    or classes, under each of them too, since an argument may belong to one. Raises InputError for the first key
    that makes none, or that the base config does not have.
    """
    contexts: list[Point] = [{}, *class_choices(sweep.space)]
    for key, dimension in sweep.space.items():
        edges = ends(dimension)
        among = [context for context in contexts if key not in context]
        compared = [_compare(sweep, [{**c, key: value} for value in edges], reference) for c in among]
        if "differ" in compared:
            continue
        if "alike" in compared:
            raise InputError(
                f"space: {key} changes nothing that is built or trained, whatever its value (compared: "
                f"{', '.join(str(e) for e in edges)}); take it out, or switch on what it belongs to"
            )
        for value in edges:  # a key that is not there, or whose values cannot be trained: say why
            try_point(sweep, {key: value}, reference)


def _compare(
    sweep: SweepOptions, points: Sequence[Point], reference: "RankingCLI"
) -> Literal["alike", "differ", "unknown"]:
    """Whether any two of the points train differently; unknown where fewer than two can be built."""
    from atft.search.question.probe import evidence, rebuild

    evidences = []
    for point in points:
        try:
            evidences.append(evidence(rebuild(reference, trial_config(sweep, point))))
        except (InputError, RuntimeError, ValueError):
            continue  # a point that cannot be trained is named when the corners are tried
        if evidences[-1] != evidences[0]:
            return "differ"
    return "alike" if len(evidences) > 1 else "unknown"


def try_point(sweep: SweepOptions, point: Point, reference: "RankingCLI") -> None:
    """Build a point and take one step on noise, on the trial's device; raise InputError where that fails."""
    from atft.search.question.probe import one_step, rebuild

    try:
        one_step(rebuild(reference, trial_config(sweep, point)), reference.trainer.strategy.root_device)
    except (InputError, RuntimeError, ValueError) as error:
        values = ", ".join(f"{key}={value}" for key, value in point.items())
        raise InputError(
            f"space: a point cannot be trained ({values}): {one_line(error, most=400)}"
        ) from error
