"""The Arrow cache, the graph of a day, the splits and the day batches."""
