"""From a predictions file to numbers that can be believed; needs no network."""
