"""What the processes share that run for long: the clock, the log, and settings that people write."""
