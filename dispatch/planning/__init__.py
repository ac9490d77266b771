"""From what is known of sites to a plan that may be commanded, whatever the solver does."""
