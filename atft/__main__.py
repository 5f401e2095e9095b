"""``python -m atft``: hand the arguments to the dispatcher."""

import sys

from atft.cli import main

if __name__ == "__main__":
    sys.exit(main())
