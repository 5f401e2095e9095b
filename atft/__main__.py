"""``python -m atft`` and ``atft``: hand the arguments to the dispatcher."""

import sys

from atft import cli
from atft.process.allocator import keep_freed_memory
from atft.process.garbage import collect_rarely
from atft.process.standard_streams import open_closed_streams
from atft.process.termination import end_process


def main() -> None:
    """Run the command of this process's arguments; one that trains keeps the memory that its steps free."""
    open_closed_streams()
    if sys.argv[1:2] and sys.argv[1] in cli.TRAINS and not {"-h", "--help"} & set(sys.argv):
        keep_freed_memory()
    collect_rarely()
    end_process(cli.main())


if __name__ == "__main__":
    main()
