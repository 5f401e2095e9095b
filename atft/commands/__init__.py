"""Commands: ``run(command, arguments) -> exit status``."""
