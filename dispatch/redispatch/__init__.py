"""Re-dispatch: what is sold is kept, or left where that pays; others stand in for a site that is lost."""
