"""What others do with the same jobs and sites: one rule of sharing in each file."""
