"""Reading what was projected, as of a sequence number."""
