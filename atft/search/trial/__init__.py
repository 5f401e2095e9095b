"""One trial: from its configuration to its files."""
