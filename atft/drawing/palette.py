"""One palette for every picture: a colour has one meaning in the tear sheet, the sweep's report and TensorBoard.

Each role has a value on white paper and one on dark paper. Marks have a contrast of at least 3 with their paper,
text of at least 4.5 (WCAG 2.2). Where colours stand for gain and loss, a sign or a position says the same again.
"""

from typing import NamedTuple


class Colour(NamedTuple):
    """One role's colour as ``#rrggbb``, on white and on dark paper."""

    light: str
    dark: str


PAPER = Colour("#ffffff", "#15181d")
CARD = Colour("#f6f8fa", "#1c2128")
LINE = Colour("#dde2e8", "#363d47")
"""Grid lines and borders: they may be faint."""
INK = Colour("#1b2026", "#e7e9ec")
MUTED = Colour("#5b6570", "#a1a9b3")
"""Axes, notes, reference lines."""
SCORE = Colour("#1f6fc4", "#5ba8f5")
"""What the network, or the first file, predicts and earns; a completed trial."""
REALISED = Colour("#c2570c", "#f0964a")
"""What the market did."""
CONTROL = Colour("#88919c", "#7d8692")
"""What a score is compared with: null controls, baselines, a random band; a pruned trial."""
GAIN = Colour("#0b8568", "#3cc79f")
LOSS = Colour("#c62f45", "#f2778a")
"""Below zero; a failed trial."""
BEST = Colour("#a21caf", "#e37af5")
"""The best trial, and nothing else."""
FILE_2 = Colour("#7a4dd1", "#b195f6")
FILE_3 = Colour("#0d7f91", "#43c2d5")
FILE_4 = Colour("#86690a", "#d4b23c")
FILE_5 = Colour("#9a4b3b", "#dc9282")
"""Files beside the first one, in this order."""

ROLES = {
    "paper": PAPER,
    "card": CARD,
    "line": LINE,
    "ink": INK,
    "muted": MUTED,
    "score": SCORE,
    "realised": REALISED,
    "control": CONTROL,
    "gain": GAIN,
    "loss": LOSS,
    "best": BEST,
    "file-2": FILE_2,
    "file-3": FILE_3,
    "file-4": FILE_4,
    "file-5": FILE_5,
}
"""By the name of the role's CSS variable."""
FILES = ("score", "file-2", "file-3", "file-4", "file-5")
"""Roles of the files that are drawn over each other."""


def css_variables() -> str:
    """Style rules that define ``var(--role)`` for each role, by the reader's colour scheme; print is light."""
    light, dark = (
        "".join(f"--{role}:{getattr(colour, scheme)};" for role, colour in ROLES.items())
        for scheme in ("light", "dark")
    )
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
