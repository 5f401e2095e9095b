"""Prices to panel: checks, features, labels, universe; see `build_panel`."""
