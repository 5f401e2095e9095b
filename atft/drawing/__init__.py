"""The colours of every picture, and the page on which charts stand."""
