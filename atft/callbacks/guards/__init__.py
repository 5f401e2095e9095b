"""Checks that stop or fail a run whose numbers would mean nothing."""
