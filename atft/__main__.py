"""``python -m atft`` and ``atft``: hand the arguments to the dispatcher."""

import sys

from atft import cli
from atft.allocator import keep_freed_memory
from atft.garbage import collect_rarely
from atft.standard_streams import open_closed_streams
from atft.termination import end_process


def main() -> None:
    """Run the command of this process's arguments; one that trains keeps the memory that its steps free."""
    open_closed_streams()
    if sys.argv[1:2] and sys.argv[1] in cli.TRAINS and not {"-h", "--help"} & set(sys.argv):
        keep_freed_memory()
    collect_rarely()
    end_process(cli.main())


if __name__ == "__main__":
    main()
