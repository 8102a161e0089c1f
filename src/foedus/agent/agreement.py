"""The site's own copy of the agreement: believed for its partners' signatures, never for the hub's word."""

import json
from collections.abc import Mapping

from pydantic import ValidationError

from foedus.agent.folder import StateFolder
from foedus.core.agreement.model import Agreement, Site
from foedus.core.agreement.read import read
from foedus.core.agreement.signatures import findings
from foedus.core.base.dsse import Envelope
from foedus.core.base.errors import BadInput, Broken, Fault, NotAllowed
from foedus.core.base.ids import PartnerId, SiteId
from foedus.keys import ed25519
from foedus.wire.alliance import AgreementView


def accepted(view: AgreementView, held: Agreement | None) -> Agreement:
    """Read what the hub shows, if every partner has signed it: those it names and those of the version held.

    Raises `BadInput` with all that is wrong, and `NotAllowed` for a version older than the one held.
    """
    data = view.text.encode("utf-8")
    agreement = read(data)
    found = findings(data, agreement, held, _envelopes(view.signatures), ed25519.verify)
    faults = [finding.fault for finding in found if finding.fault is not None]
    if held is not None and agreement.id != held.id:
        remedy = f"this site belongs to {held.id}"
        faults.append(Fault(path="id", fault=f"is the agreement of another alliance, {agreement.id}", remedy=remedy))
    if faults:
        raise BadInput(*faults)
    if held is not None and agreement.digest != held.digest and agreement.version <= held.version:
        raise NotAllowed(
            f"the hub shows another version {agreement.version} of the agreement; this site holds {held.version}",
            remedy="ask the office which one is in force",
        )
    return agreement


def load(folder: StateFolder) -> Agreement:
    """Read the copy, its signatures checked again; raises `Broken` if it is absent or damaged."""
    try:
        view = AgreementView.model_validate_json(folder.agreement.read_bytes())
        return accepted(view, None)
    except (OSError, ValidationError, BadInput) as error:
        raise Broken(
            f"the site's copy of the agreement, {folder.agreement}, is damaged: {error}", remedy="enrol the site again"
        ) from error


def store(folder: StateFolder, view: AgreementView) -> None:
    """Keep a version that was accepted."""
    folder.write(folder.agreement.name, view.model_dump_json().encode("utf-8"))


def own_site(agreement: Agreement, site: SiteId) -> Site:
    """Find the site in its agreement; raises `NotAllowed` if an amendment took it out."""
    found = agreement.site(site)
    if found is None:
        raise NotAllowed(
            f"version {agreement.version} of the agreement has no site {site}", remedy="ask the office; stop the agent"
        )
    return found


def _envelopes(signatures: Mapping[PartnerId, object]) -> dict[PartnerId, Envelope]:
    found: dict[PartnerId, Envelope] = {}
    for partner, parts in signatures.items():
        found[partner] = Envelope.read(json.dumps(parts).encode("utf-8"), f"signatures.{partner}")
    return found
