"""The mathematics of one day's cross-section, vectorised over days: ranks, correlations, spreads.

Everything here takes ``[days, stocks]`` and a ``valid`` flag of the same shape, and returns one number (or one
vector over stocks) per day. Losses, metrics, evaluation and scaling all stand on these few functions.
"""
