"""The trading desk: what a bid binds is saved with it, and that it is sent is on record before it is."""
