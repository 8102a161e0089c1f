"""The simulator: what an agreement would give each partner, from their own job logs."""

import contextlib

with contextlib.suppress(ImportError):
    import numba as numba
