"""Key figures and the monthly revenue report, as pure functions that show their formula and inputs."""
