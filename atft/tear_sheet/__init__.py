"""The tear sheet: an evaluation as one HTML page of charts and tables."""
