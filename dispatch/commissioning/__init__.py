"""Commissioning: a step test that proves sign, scale, ramp and watchdog before a device may be dispatched."""
