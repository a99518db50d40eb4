"""Checks that image files contain all of their pixels."""
