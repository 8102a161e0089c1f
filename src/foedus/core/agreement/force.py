"""Whether an agreement may come into force."""

from collections.abc import Sequence

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.signatures import Finding
from foedus.core.agreement.term import succeeds, term_faults
from foedus.core.base.errors import Fault
from foedus.core.base.instant import Instant


def refusals(
    candidate: Agreement,
    current: Agreement | None,
    now: Instant,
    signatures: Sequence[Finding],
    clause_faults: Sequence[Fault],
) -> tuple[Fault, ...]:
    """Tell, all at once, why `candidate` may not come into force; empty if it may.

    ``current`` is what is in force now. The same file again is no amendment: it only has to hold still. ``signatures``
    come from `foedus.core.agreement.signatures.findings`, ``clause_faults`` from the policy engine's strict check.
    """
    faults = list(term_faults(candidate, now))
    if current is None or current.digest != candidate.digest:
        faults.extend(succeeds(current, candidate))
    faults.extend(finding.fault for finding in signatures if finding.fault is not None)
    faults.extend(clause_faults)
    return tuple(faults)
