"""
A Django app that keeps images on GroupMe's image service.

The word PYTEST_DONT_REWRITE disables pytest's assertion rewriting, because some test runners import
this package before they start pytest, which would then warn that it cannot rewrite the package.
"""

__version__ = "1.0.0"
