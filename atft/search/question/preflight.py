"""Before the first trial: does each key do something, and can every point of the space be built and trained?

A key that changes nothing wastes the whole search, and a corner that crashes wastes a part of it; both are found
here within a minute, on noise, before any data is read. Corners come first, then points drawn inside; what time
does not allow is left out and counted.
"""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from atft.errors import InputError, nearest
from atft.progress import track
from atft.search.question.config import check_keys, trial_config
from atft.search.question.dimension import Categorical
from atft.search.question.options import SweepOptions
from atft.search.question.space import Point, corners, random_points

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI

SECONDS = 60.0
CORNERS, RANDOM_POINTS = 64, 100


class Checked(NamedTuple):
    """What a preflight looked at."""

    corners: int
    corners_planned: int
    inside: int
    inside_planned: int
    seconds: float

    def line(self) -> str:
        """The result in a line."""
        points = (
            f"{self.corners} of {self.corners_planned} corners and {self.inside} of {self.inside_planned}"
        )
        return f"preflight: every key does something; {points} points inside build and step ({self.seconds:.0f} s)"


def preflight(sweep: SweepOptions, seconds: float = SECONDS) -> Checked:
    """Check a sweep against its base config; see the module.

    Args:
        sweep: the sweep.
        seconds: time for all of it; the corners and points that it does not allow are left out.

    Raises:
        InputError: a key that is not in the base config or changes nothing, a metric that no epoch logs, or a
            point that does not build or step; the message names it.
    """
    from atft.commands.train import build

    start = time.monotonic()
    reference = build("fit", {**trial_config(sweep, {}), "checkpoint": {}})
    known = reference.model.logged_names()
    if sweep.metric not in known:
        raise InputError(f"metric: no epoch logs {sweep.metric!r}{nearest(sweep.metric, known)}")
    check_keys(sweep)
    refuse_idle_keys(sweep, reference)
    edges, inside = corners(sweep.space, CORNERS), random_points(sweep.space, RANDOM_POINTS)
    points = [*sweep.enqueue, *edges, *inside]
    done = 0
    for point in track(_until(start + seconds, points), "preflight", total=len(points)):
        try_point(sweep, point, reference)
        done += 1
    done = max(0, done - len(sweep.enqueue))
    at_edges = min(done, len(edges))
    return Checked(at_edges, len(edges), done - at_edges, len(inside), time.monotonic() - start)


def refuse_idle_keys(sweep: SweepOptions, reference: "RankingCLI") -> None:
    """Refuse a key of the space that makes no difference to what is built and trained.

    Its values are compared with all other keys at the base's values; where the space chooses between blocks
    or classes, under each of them too, since an argument may belong to one.

    Args:
        sweep: the sweep.
        reference: its base configuration, built.

    Raises:
        InputError: the first such key.
    """
    contexts: list[Point] = [{}]
    for key, held in sweep.space.items():
        if isinstance(held, Categorical) and (isinstance(held.choices, dict) or key.endswith("class_path")):
            contexts += [{key: choice} for choice in held.choices]
    for key, held in sweep.space.items():
        among = [c for c in contexts if key not in c]
        compared = [_compare(sweep, [{**c, key: value} for value in held.ends], reference) for c in among]
        if "alike" in compared and "differ" not in compared:
            raise InputError(
                f"space: {key} changes nothing that is built or trained, whatever its value (compared: "
                f"{', '.join(str(e) for e in held.ends)}); take it out, or switch on what it belongs to"
            )


def try_point(sweep: SweepOptions, point: Point, reference: "RankingCLI") -> None:
    """Build a point and take one step on noise, where the trial would run.

    Raises:
        InputError: it does not build or step; the message names the point.
    """
    from atft.search.question.probe import one_step, rebuild

    try:
        one_step(rebuild(reference, trial_config(sweep, point)), reference.trainer.strategy.root_device)
    except (InputError, RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"space: a point cannot be trained ({_written(point)}): {said}") from error


def _compare(
    sweep: SweepOptions, points: Sequence[Point], reference: "RankingCLI"
) -> Literal["alike", "differ", "refused"]:
    """Whether any two of the points train something else; refused where fewer than two are accepted."""
    from atft.search.question.probe import evidence, rebuild

    seen = []
    for point in points:
        try:
            seen.append(evidence(rebuild(reference, trial_config(sweep, point))))
        except (InputError, RuntimeError, ValueError):
            continue  # a point that cannot be trained is named when the corners are tried
        if seen[-1] != seen[0]:
            return "differ"
    return "alike" if len(seen) > 1 else "refused"


def _until(stop: float, points: Sequence[Point]) -> Iterator[Point]:
    for point in points:
        if time.monotonic() > stop:
            return
        yield point


def _written(point: Point) -> str:
    return ", ".join(f"{key}={value}" for key, value in point.items())
