"""Scores that a network must beat: ridge, LightGBM, a perceptron, fitted on arrays."""
