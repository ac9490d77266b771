"""Alarms by mail."""
