"""crossval, and fit --seeds: the options of a cross-validation, and its help before anything heavy is imported."""

from atft.crossval.options import HELP, split_arguments


def run(command: str, arguments: list[str]) -> int:
    """Run ``crossval``, or ``fit`` with ``--seeds``; 0 once the result is written."""
    if {"-h", "--help"} & set(arguments):
        print(HELP, end="")  # noqa: T201
        return 0
    options, words = split_arguments(arguments)
    from atft.crossval.child import child_program
    from atft.crossval.cross_validate import cross_validate

    cross_validate(command == "fit", options, words, child_program())
    return 0
