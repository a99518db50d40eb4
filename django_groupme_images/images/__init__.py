"""Parsing of image files and removal of their metadata, without Django."""
