"""This process: its cores, memory, streams, imports and end, and what it prints while it works."""
