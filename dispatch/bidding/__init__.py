"""What is offered to markets for a plan, and why at that price."""
