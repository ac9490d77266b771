"""Tests of devices' health at work."""
