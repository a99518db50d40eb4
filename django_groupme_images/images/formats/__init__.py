"""Parsers of the structure of image files, which decode nothing."""
