"""Cedar: clauses and local policies, always with their schema."""
