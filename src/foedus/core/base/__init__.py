"""Words that every other part uses: ids, exact units, instants, canonical bytes, errors."""
