"""No kWh and no kW is sold twice: the matrix of streams as data, and the engine that enforces it."""
