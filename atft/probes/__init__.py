"""Find leaks: what a panel, a predictions file or a pipeline knows of the future."""
