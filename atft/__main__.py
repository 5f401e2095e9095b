"""``python -m atft`` and ``atft``: hand the arguments to the dispatcher."""

import sys

from atft import cli
from atft.allocator import keep_freed_memory


def main() -> int:
    """Run the command of this process's arguments; one that trains keeps the memory that its steps free."""
    if sys.argv[1:2] and sys.argv[1] in cli.TRAINS and not {"-h", "--help"} & set(sys.argv):
        keep_freed_memory()
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
