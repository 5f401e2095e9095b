"""The terms of the per-day objective. Losses know no network."""
