"""The alliance that is simulated: always the same agreement, keys and people, made once for all seeds of a process."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foedus.agent.starter import Policy
from foedus.core.agreement.model import Agreement
from foedus.core.agreement.read import read
from foedus.core.agreement.signatures import sign_agreement
from foedus.core.agreement.vouch import Vouch, make
from foedus.flow.access import Caller, caller_of
from foedus.flow.admit import Rules
from foedus.flow.agreement import put_in_force
from foedus.flow.enrol import enrol, new_code
from foedus.flow.ports import Project, Transaction, User
from foedus.hub.api.agreement import check_clauses
from foedus.keys import ed25519
from foedus.policy.cedar import CedarPolicy
from foedus.policy.local import read_local
from foedus.store.unit import SqlStore, open_database
from foedus.wire.agents import EnrolRequest
from foedus.wire.alliance import ProjectRole, Role, Scope
from vopr.world import START

SITES = ("baku", "jerusalem")
HOME = {"baku": "azerbaijan", "jerusalem": "israel"}
USERS = {"aysel": ("azerbaijan", "metro"), "noa": ("israel", "transit")}
GRANTED = 40 * 3600
"""GPU-seconds of each project: enough for what a seed submits, little enough to notice what is never given back."""
GPUS = 4
LONGEST_S = 120

_SITE = """
[[sites]]
id = "{site}"
partner = "{partner}"
title = {{ en = "{site}" }}
country = "{country}"
pledge = {{ gpu_hours = 100, period = "month" }}
guests = {{ pools = ["main"], preempted = true }}
[[sites.pools]]
id = "main"
nodes = 1
cpus_per_node = 8
memory_per_node = "16G"
gpus_per_node = 4
gpu_model = "a100"
"""
_AGREEMENT = """
id = "pact"
version = 1
title = {{ en = "Pact" }}
starts = 2020-01-01
ends = 2099-12-31
hub_key = "{hub}"
[[partners]]
id = "azerbaijan"
title = {{ en = "Azerbaijan" }}
key = "{azerbaijan}"
[[partners]]
id = "israel"
title = {{ en = "Israel" }}
key = "{israel}"
{sites}
[[sectors]]
id = "mobility"
title = {{ en = "Mobility" }}
[[clauses]]
id = "all"
text = {{ en = "Everybody may." }}
policy = '''@id("all") permit (principal, action, resource);'''
"""
_LOCAL = b'@id("open") permit (principal, action, resource);\n'


def key(name: str) -> ed25519.PrivateKey:
    """Return a key that is the same in every run."""
    return ed25519.PrivateKey(Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest()))


class LocalPolicy(Policy):
    """A site's own policy, which is no file here."""

    def load(self) -> CedarPolicy:
        return _local()


@cache
def _local() -> CedarPolicy:
    return CedarPolicy(read_local(_LOCAL))


@dataclass(frozen=True)
class Alliance:
    """What all seeds begin with."""

    agreement: Agreement
    rules: Rules
    callers: dict[str, Caller]
    image: bytes
    """The hub's database."""
    database: object
    """The one engine that all seeds use, one after the other: it keeps its compiled statements."""


@cache
def alliance() -> Alliance:
    """Lay the alliance out, in memory."""
    countries = {"baku": "AZ", "jerusalem": "IL"}
    sites = "".join(_SITE.format(site=site, partner=HOME[site], country=countries[site]) for site in SITES)
    public = {name: key(name).key for name in ("hub", "azerbaijan", "israel")}
    text = _AGREEMENT.format(sites=sites, **public).encode()
    agreement = read(text)
    envelopes = {partner.id: sign_agreement(key(partner.id), text, None) for partner in agreement.partners}
    database = open_database("sqlite://")
    store = SqlStore(database)
    with store.begin() as tx:
        put_in_force(
            tx,
            text,
            envelopes,
            hub_keys={public["hub"]},
            check=check_clauses,
            verify=ed25519.verify,
            now=START,
        )
        callers = _people(tx, agreement)
        _enrol(tx, agreement)
    return Alliance(
        agreement=agreement,
        rules=Rules(agreement=agreement, clauses=CedarPolicy(agreement.clauses)),
        callers=callers,
        image=raw(database).serialize(),
        database=database,
    )


def raw(database):
    """Return the one connection of a database in memory, below SQLAlchemy."""
    with database.writes.connect() as connection:
        return connection.connection.dbapi_connection


def _people(tx: Transaction, agreement: Agreement) -> dict[str, Caller]:
    tx.people.add(User(id="olga", partner="israel", name="", role=Role.OFFICE, created=START))
    for name, (partner, project) in USERS.items():
        tx.people.add(User(id=name, partner=partner, name="", role=Role.USER, created=START))
        members = {name: ProjectRole.LEAD}
        tx.projects.add(
            Project(
                id=project,
                title=project,
                sector="mobility",
                opened=START,
                granted=GRANTED,
                used=0,
                reserved=0,
                members=members,
            )
        )
    return {name: caller_of(tx, tx.people.get(name), agreement, Scope.MANAGE, None) for name in (*USERS, "olga")}


def _enrol(tx: Transaction, agreement: Agreement) -> None:
    office = caller_of(tx, tx.people.get("olga"), agreement, Scope.MANAGE, None)
    for site in SITES:
        code = f"code of {site}"
        new_code(tx, office, agreement, site, code=code, now=START)
        words = Vouch(alliance=agreement.id, site=site, key=key(site).key, not_before=START)
        envelope = make(key(HOME[site]), words).json()
        request = EnrolRequest(code=code, site=site, vouch=envelope)
        enrol(tx, request, agreement, hub_key=key("hub").key, verify=ed25519.verify, now=START)


def policy() -> LocalPolicy:
    """Return what a site's own policy says."""
    return LocalPolicy(Path("site.cedar"))
