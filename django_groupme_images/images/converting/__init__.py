"""Conversion and scaling of images."""
