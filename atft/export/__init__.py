"""A checkpoint as a program that other runtimes run: torch's own (pt2) or ONNX, and what they need to feed it."""
