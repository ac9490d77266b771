"""Reading meter files."""
