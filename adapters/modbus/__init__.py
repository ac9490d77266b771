"""Devices that are reached by Modbus, TCP or a serial line."""
