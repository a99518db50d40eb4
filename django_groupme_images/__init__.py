"""
Keep a Django project's images on GroupMe's image service.

PYTEST_DONT_REWRITE, because some test runners import it before they start pytest.
"""

__version__ = "1.0.0"
