"""What was found, for a terminal and as JSON and HTML."""
