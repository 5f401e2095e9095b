"""``python hpo/sweep.py`` is ``python -m atft sweep``: hyperparameter search over the training command."""

import sys

from atft.cli import main

if __name__ == "__main__":
    sys.exit(main(["sweep", *sys.argv[1:]]))
