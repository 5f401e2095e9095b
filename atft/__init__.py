"""Rank a day's stocks with ATFT-GAT-FAN: day batches, per-day losses, honest numbers."""

__version__ = "0.1.0"
