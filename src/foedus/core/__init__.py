"""The rules. Pure: no I/O, no clock, no randomness; time, ids and chance come in as arguments."""
