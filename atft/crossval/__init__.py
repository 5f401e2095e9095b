"""Every fold and every seed of one configuration as runs of ``fit`` in processes, and one result of them all."""
