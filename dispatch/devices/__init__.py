"""Devices as data: which register holds what, and what its words mean. Pure."""
