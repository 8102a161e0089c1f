"""The simulator: what an agreement would give each partner, from their own job logs."""
