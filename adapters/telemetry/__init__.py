"""Telemetry on its way: kept on this machine's disk, sent to streams of its own, and settled by the
quarter-hour."""
