"""From metered energy, prices and a contract to what each party is owed: pure, exact, repeatable."""
