"""Devices behind an MQTT broker: JSON in, commands out, each with an id and an answer."""
