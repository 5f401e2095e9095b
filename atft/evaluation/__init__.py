"""From a predictions file to figures with standard errors; needs no network."""
