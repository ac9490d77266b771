"""What is measured, as ratios to a limit or a peer taken in the same run. `make bench` prints the table."""
