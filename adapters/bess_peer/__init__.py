"""A storage to drive: a program of its own that serves a profile's registers, with physics and faults."""
