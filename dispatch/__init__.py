"""What the storage is told to do: rules, plans and commands. Pure."""
