"""Devices' health at work: days taken from telemetry, and what follows from them."""
