"""Messages between machines: pydantic models, and their conversions to and from the core's types."""
