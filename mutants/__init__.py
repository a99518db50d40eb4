"""Mutation testing (Cosmic Ray) of the modules that must not be wrong: ``make mutants``."""
