"""Parsers of the structure of image files, which do not decode pixels."""
