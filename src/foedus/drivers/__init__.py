"""How an agent talks to its cluster."""
