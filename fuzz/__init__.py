"""A coverage-guided fuzzer (atheris) of what strangers can send: ``make fuzz``."""
