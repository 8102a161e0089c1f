"""The agent beside a site's cluster."""
