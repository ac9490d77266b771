"""What storages would have earned, and what those that ran were worth: settled in memory, never recorded."""
