"""Job logs: one module for each format."""
