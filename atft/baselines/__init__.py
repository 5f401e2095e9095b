"""Scores that a network must beat: ridge, yesterday's reversal, random."""
