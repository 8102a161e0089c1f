"""The hub: API and broker."""
