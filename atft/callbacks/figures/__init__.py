"""Pictures of a validation epoch for TensorBoard."""
