"""From a plan to a device and back: leases, setpoints and their life, interlocks, emergencies, fallbacks."""
