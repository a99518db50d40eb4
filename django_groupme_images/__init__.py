"""Keep a Django project's images on GroupMe's image service."""

__version__ = "0.1.0"
