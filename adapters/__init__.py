"""Everything outside the pure core: NATS, PostgreSQL, HTTP, files, clock and configuration."""
