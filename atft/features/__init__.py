"""Prices to panel: gates, features, targets, universe. `build_panel` is the door."""
