"""What is left of a sweep for people to read."""
