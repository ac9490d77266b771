"""What changes at the trading desk, told as it happens: to listeners, on NATS, and to webhooks."""
