"""Measures the zoo beside the libraries that users might choose instead; `python -m benchmarks --help`."""
