"""The Optuna study on disk: opening it, its budget, whose process runs which trial, how points are sampled."""
