"""What a run tells each of its parties, committed to at once, so that each can prove its own part alone."""
