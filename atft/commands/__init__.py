"""One file a command: ``run(command, arguments) -> exit status``."""
