"""Per-day metrics, exact over several devices."""
