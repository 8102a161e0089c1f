"""The deterministic simulation: hub, agents and clusters in one thread, under virtual time and seeded faults."""
