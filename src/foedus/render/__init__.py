"""Books and documents in the formats that others read."""
