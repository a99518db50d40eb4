"""Opening of image files with Pillow, also of unusual and hostile ones."""
