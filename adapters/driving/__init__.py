"""Driving devices: links to them, who writes what and when, and what became of it."""
