"""The first steps of a hub: its key, the agreement, the office's account."""

from dataclasses import dataclass
from pathlib import Path

from foedus.core.agreement.signatures import file_name
from foedus.core.base.dsse import Envelope
from foedus.core.base.errors import BadInput, Conflict, Fault
from foedus.core.base.ids import PartnerId, UserId, name_fault
from foedus.flow.agreement import put_in_force
from foedus.flow.people import first_user
from foedus.flow.ports import Transaction, User
from foedus.hub.api.agreement import check_clauses
from foedus.hub.api.people import fresh_secret
from foedus.hub.keys import HubKeys
from foedus.hub.serve import prepare
from foedus.hub.settings import HubSettings
from foedus.hub.wiring import Hub, build
from foedus.wire.alliance import NewTokenView, Role

FIRST_TOKEN_DAYS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What `begin` made."""

    alliance: str
    version: int
    token: NewTokenView


def begin(
    settings: HubSettings, agreement: Path, office: UserId, partner: PartnerId, *, key: Path | None = None
) -> Begun:
    """Put a signed agreement in force on a fresh database and make the office's account."""
    HubKeys(settings.state).make(key)
    prepare(settings)
    hub = build(settings)
    try:
        return hub.write(lambda tx: _begin(hub, tx, agreement, office, partner))
    finally:
        hub.store.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """Where a change of the hub's key is."""

    key: str
    """The key that is to come, or has come."""
    in_force: bool
    """Whether the agreement in force names it, so that it has taken the old one's place."""


def rotate(settings: HubSettings) -> Rotated:
    """Make the hub's next key; or, once the agreement in force names it, put it in the present one's place."""
    hub = build(settings)
    try:
        following = hub.keys.make_next().key
        with hub.store.read() as tx:
            named = hub.agreement(tx).hub_key
        return Rotated(key=following, in_force=hub.keys.promote(named))
    finally:
        hub.store.close()


def _begin(hub: Hub, tx: Transaction, path: Path, office: UserId, partner: PartnerId) -> Begun:
    if tx.people.all():
        raise Conflict("this hub has begun already", remedy="amend the agreement with `foedus agreement enforce`")
    now = hub.clock.now()
    record = put_in_force(
        tx,
        path.read_bytes(),
        envelopes_beside(path),
        hub_keys=hub.keys.all(),
        check=check_clauses,
        verify=hub.verify,
        now=now,
    )
    agreement = hub.agreement(tx)
    fault = name_fault(office, "office")
    if agreement.partner(partner) is None:
        known = ", ".join(one.id for one in agreement.partners)
        fault = Fault(path="partner", fault=f"the agreement has no partner {partner!r}", remedy=f"use one of: {known}")
    if fault is not None:
        raise BadInput(fault)
    user = User(id=office, partner=partner, name="", role=Role.OFFICE, created=now)
    token = first_user(tx, user, fresh_secret(), FIRST_TOKEN_DAYS)
    return Begun(alliance=agreement.id, version=record.version, token=token)


def envelopes_beside(path: Path) -> dict[PartnerId, Envelope]:
    """Read the signatures that stand beside an agreement's file."""
    prefix, suffix = file_name(path.name, PartnerId("*")).split("*")
    found: dict[PartnerId, Envelope] = {}
    for file in sorted(path.parent.glob(f"{prefix}*{suffix}")):
        partner = PartnerId(file.name.removeprefix(prefix).removesuffix(suffix))
        found[partner] = Envelope.read(file.read_bytes(), file.name)
    return found
