"""Measures the zoo beside what users would pick instead; `python -m benchmarks --help`."""
