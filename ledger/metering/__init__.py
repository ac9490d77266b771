"""Meter data management: checks of what was read, and what stands in for what is missing or wrong."""
