"""A whole alliance on one machine, made of real processes: for ``foedus demo`` and for trying things out."""
