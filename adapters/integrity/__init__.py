"""Is what is kept still what was recorded: faults by name, both copies side by side, and which is right."""
