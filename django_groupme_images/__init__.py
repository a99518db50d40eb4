"""Keep a Django project's images on GroupMe's image service."""

__version__ = "1.0.0"
