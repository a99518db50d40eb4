"""Fuzzing of code that parses untrusted input: ``make fuzz``."""
