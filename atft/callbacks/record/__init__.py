"""What a run leaves behind: receipt, metrics, checkpoints, logs, predictions."""
