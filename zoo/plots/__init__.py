"""The pictures of a run, one module per kind. Each function writes one PNG file."""
