"""PostgreSQL: what was projected from the stream, and the archive of the stream itself."""
