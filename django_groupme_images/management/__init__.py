"""``manage.py``: what the commands that work on many rows share."""
