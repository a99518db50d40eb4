"""Removal of metadata from image files."""
