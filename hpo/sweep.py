"""``python hpo/sweep.py``: hyperparameter search over the training command; see ``--help``."""

import sys

from atft.cli import guarded
from atft.search.cli import main

# Worker processes import this file's name again where they are spawned: the guard keeps them from starting a sweep.
if __name__ == "__main__":
    given = [a for a in sys.argv[1:] if a != "--debug"]
    sys.exit(guarded(lambda: main(given), debug="--debug" in sys.argv))
