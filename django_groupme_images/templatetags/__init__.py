"""``{% load groupme_images %}``, a thin skin over ``rendering.py``."""
