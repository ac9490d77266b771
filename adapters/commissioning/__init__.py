"""The step test at a device, and what it is asked for at a terminal."""
