"""Benchmarks that compare the app with its alternatives: ``make bench``."""
