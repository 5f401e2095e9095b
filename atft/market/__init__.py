"""A simulated market whose best possible score is known."""
