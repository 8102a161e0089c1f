"""The databases: what differs between them is here and nowhere else (locking, upsert, notifications, leadership)."""
