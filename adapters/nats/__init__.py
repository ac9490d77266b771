"""The event store: one JetStream stream per book, in one total order."""
