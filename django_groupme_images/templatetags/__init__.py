"""Template tag library ``groupme_images``."""
