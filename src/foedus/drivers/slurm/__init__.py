"""Slurm through its commands; one file per command."""
