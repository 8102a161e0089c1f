"""Where and when a job runs."""
