"""What evaluates clauses and local policies."""

from collections.abc import Sequence
from typing import Protocol

from foedus.core.agreement.request import RunRequest, Verdict


class Policy(Protocol):
    """Evaluates the clauses in force (at the hub) or a site's own policy (at its agent)."""

    def judge(self, requests: Sequence[RunRequest]) -> Sequence[Verdict]:
        """Answer each request, in order; an evaluation error is a refusal."""
        ...
