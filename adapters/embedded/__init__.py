"""Real NATS and real PostgreSQL as children of this process, all data under one folder."""
