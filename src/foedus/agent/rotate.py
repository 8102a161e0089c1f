"""How a site changes its key while its agent runs: nothing is lost, and nothing is booked twice.

The next key lies beside the present one from before the hub hears of it. Whoever is refused with the present key, the
running agent or this command when it is repeated, tries the next one, and puts it in the other's place once the hub
has taken it: a crash at any moment is mended by going on.
"""

from dataclasses import dataclass

import httpx2

from foedus.agent import agreement as agreements
from foedus.agent.folder import StateFolder
from foedus.agent.hub import Hub
from foedus.agent.post import Post
from foedus.core.agreement import revocation, vouch
from foedus.core.base.dsse import Envelope, Signer
from foedus.core.base.errors import BadInput, Fault, Unreachable
from foedus.core.base.instant import Clock
from foedus.keys import ed25519
from foedus.wire.agents import RotationRequest

_REASON = "replaced by the site's next key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """What came of it."""

    key: str
    entry: int | None
    """The ledger entry that says it; `None` where an earlier call had got so far already."""


def statements(folder: StateFolder, partner: Signer, clock: Clock) -> tuple[Envelope, Envelope]:
    """Vouch for the next key and retire the present one, where the partner's own key is at hand."""
    known, keys = folder.enrolment(), folder.keys()
    following = vouch.Vouch(alliance=known.alliance, site=known.site, key=keys.make_next().key, not_before=clock.now())
    old = revocation.Revocation(alliance=known.alliance, site=known.site, key=keys.present().key, reason=_REASON)
    return vouch.make(partner, following), revocation.make(partner, old)


def rotate(
    folder: StateFolder, http: httpx2.Client, statement: Envelope, retirement: Envelope | None, clock: Clock
) -> Rotated:
    """Have the hub take the next key for the site, and put it in the present one's place.

    Raises `BadInput` if the partner's statement is not about the next key.
    """
    known, keys = folder.enrolment(), folder.keys()
    following = keys.make_next().key
    found = vouch.verify(statement, agreements.load(folder), clock.now(), ed25519.verify)
    if (found.site, found.key) != (known.site, following):
        fault = f"is for {found.site} and {found.key}, and the next key of {known.site} is {following}"
        remedy = "let the partner's signatory vouch for that one: `foedus agreement vouch`"
        raise BadInput(Fault(path="vouch", fault=fault, remedy=remedy))
    request = RotationRequest(vouch=statement.json(), retirement=None if retirement is None else retirement.json())
    try:
        reply = Hub(Post(lambda: http, keys, clock), known.site).rotate(request, clock.now())
    except Unreachable:
        if keys.present().key != following:
            raise
        return Rotated(key=following, entry=None)
    keys.promote(following)
    return Rotated(key=following, entry=reply.entry)
