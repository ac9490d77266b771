"""Webhooks: signed messages carried to addresses that were registered, at least once and in order."""
