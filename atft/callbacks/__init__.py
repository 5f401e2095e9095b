"""What happens around a step: the run's directory, its receipt, its predictions, its one line an epoch."""
