"""Opening of image files with Pillow, including unusual and malicious files."""
