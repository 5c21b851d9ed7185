"""What screens are made of: canvases and lists that redraw only the cells that changed."""
