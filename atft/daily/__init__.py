"""What follows a research run: the list of a new day, its checks, and a registry of checkpoints by date."""
