"""``foedus agreement``: agreements as files. All but ``enforce`` works on files alone and needs no hub."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.exits import Exit
from foedus.cli.session import Json, session_of
from foedus.cli.show import note, print_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foedus.core.agreement.model import Agreement
    from foedus.core.agreement.signatures import Finding
    from foedus.core.base.dsse import Envelope
    from foedus.core.base.errors import Fault
    from foedus.core.base.ids import PartnerId
    from foedus.core.base.instant import Instant

app = typer.Typer(help="The agreement: check, sign, compare, put in force.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The agreement's file.")]
Language = Annotated[str, typer.Option("--lang", help="Language of titles and clauses, such as he, az or de.")]
Previous = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="The version before: its partners have to sign as well."),
]


@app.command()
def check(
    agreement: File,
    policy: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Check a site's own policy file too; may be repeated."),
    ] = None,
    json: Json = False,
) -> None:
    """Say whether an agreement is sound: its file, and its clauses against the Cedar schema. All faults at once."""
    from foedus.core.base.errors import BadInput, Fault
    from foedus.policy.local import read_local

    found = _sound(agreement.read_bytes())
    faults: list[Fault] = []
    policies: dict[str, object] = {}
    for path in policy or []:
        try:
            policies[str(path)] = len(read_local(path.read_bytes()))
        except BadInput as error:
            faults += [Fault(path=f"{path}: {one.path}", fault=one.fault, remedy=one.remedy) for one in error.faults]
    if faults:
        raise BadInput(*faults)
    if json:
        print_json({"id": found.id, "version": found.version, "digest": found.digest, "policies": policies})
        return
    say(
        f"{found.id}, version {found.version}, is sound: {_count(found.partners, 'partner')}, "
        f"{_count(found.sites, 'site')}, {_count(found.sectors, 'sector')}, {_count(found.clauses, 'clause')}"
    )
    for name, count in policies.items():
        say(f"{name} is sound: {count} {'policy' if count == 1 else 'policies'}")
    say(f"sha256 {found.digest}")


@app.command()
def show(
    agreement: File,
    lang: Language = "en",
    policies: Annotated[bool, typer.Option("--policies", help="Show the Cedar text of the clauses too.")] = False,
    json: Json = False,
) -> None:
    """Show what an agreement says."""
    from foedus.cli.agreement_view import as_object, print_agreement
    from foedus.core.agreement.read import read

    found = read(agreement.read_bytes())
    if json:
        print_json(as_object(found))
    else:
        print_agreement(found, lang, policies=policies)


@app.command()
def sign(
    agreement: File,
    partner: Annotated[str, typer.Option("--as", metavar="PARTNER", help="The partner who signs.")],
    key: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The partner's private key file.")],
    previous: Previous = None,
    json: Json = False,
) -> None:
    """Sign an agreement for a partner. The signature is written beside it; the agreement itself stays as it is."""
    from foedus.core.agreement.signatures import file_name, needed, sign_agreement
    from foedus.core.base.errors import BadInput, Fault, NotFound
    from foedus.core.base.ids import PartnerId
    from foedus.keys.ed25519 import load

    data = agreement.read_bytes()
    found = _sound(data)
    keys: dict[PartnerId, list[str]] = {}
    for signatory, wanted in needed(found, _previous(previous)):
        keys.setdefault(signatory, []).append(wanted)
    name = PartnerId(partner)
    if name not in keys:
        raise NotFound(f"{partner!r} is no partner of {found.id}", remedy=f"use one of: {', '.join(keys)}")
    signer = load(key)
    if signer.key not in keys[name]:
        fault = f"holds {signer.key}, but {partner} signs with {' and '.join(keys[name])}"
        raise BadInput(Fault(path=str(key), fault=fault, remedy=f"give the key file of {partner}"))
    place = agreement.with_name(file_name(agreement.name, name))
    envelope = sign_agreement(signer, data, _envelope(place))
    place.write_bytes(envelope.write())
    if json:
        print_json({"file": str(place), "partner": partner, "key": signer.key, "digest": found.digest})
        return
    say(f"{partner} signed {found.id}, version {found.version} (sha256 {found.digest}): {place}")


@app.command()
def verify(ctx: typer.Context, agreement: File, previous: Previous = None, json: Json = False) -> None:
    """Say whether an agreement could come into force today: soundness, term, version, and every partner's signature.

    Ends with 3 if not.
    """
    from foedus.cli.agreement_view import print_findings
    from foedus.core.agreement.force import refusals
    from foedus.core.agreement.read import read
    from foedus.core.agreement.signatures import findings
    from foedus.keys import ed25519
    from foedus.policy.cedar import clause_faults

    data = agreement.read_bytes()
    found, before = read(data), _previous(previous)
    envelopes, unreadable = _envelopes(agreement, found, before)
    signatures = findings(data, found, before, envelopes, ed25519.verify)
    now = session_of(ctx).now()
    faults = (*unreadable, *refusals(found, before, now, signatures, clause_faults(found.clauses)))
    if json:
        print_json(_verdict(found, signatures, faults))
    else:
        print_findings(signatures)
        if found.version > 1 and before is None:
            note("with --previous the version before is checked too, and the signatures of its partners")
        for fault in faults:
            say(str(fault))
        if not faults:
            say(f"{found.id}, version {found.version}, may come into force")
    if faults:
        raise typer.Exit(Exit.REFUSED)


@app.command()
def enforce(ctx: typer.Context, agreement: File, json: Json = False) -> None:
    """Put a signed agreement in force at the hub (office). The signatures are read from beside the file."""
    from foedus.core.agreement.read import read
    from foedus.core.base.errors import BadInput, NotFound

    data = agreement.read_bytes()
    found = read(data)
    session = session_of(ctx)
    with session.client() as client:
        try:
            before = read(client.agreement().text.encode("utf-8"))
        except NotFound:
            before = None
        envelopes, unreadable = _envelopes(agreement, found, before)
        if unreadable:
            raise BadInput(*unreadable)
        signatures = {str(partner): envelope.json() for partner, envelope in envelopes.items()}
        view = client.enforce(data.decode("utf-8"), signatures)
    if json:
        print_json(view)
    else:
        say(f"{view.id}, version {view.version}, is in force (ledger entry {view.entry})")


@app.command()
def diff(old: File, new: File, json: Json = False) -> None:
    """Show what changes from one version to another, thing by thing."""
    from foedus.cli.agreement_view import print_changes
    from foedus.core.agreement.changes import compare
    from foedus.core.agreement.read import read

    changes = compare(read(old.read_bytes()), read(new.read_bytes()))
    if json:
        print_json({"changes": [change.json() for change in changes]})
    elif changes:
        print_changes(changes)
    else:
        say("no changes")


@app.command()
def amend(
    agreement: File,
    out: Annotated[Path | None, typer.Option(help="The draft's file; by default <name>-v<version>.toml.")] = None,
    json: Json = False,
) -> None:
    """Write a draft of the next version: version and previous are set, everything else is left for you to change."""
    from foedus.core.agreement.amend import amend as draft_of
    from foedus.core.agreement.read import read

    draft = draft_of(agreement.read_bytes())
    version = read(draft).version
    stem = agreement.name.removesuffix(".toml").removesuffix(f"-v{version - 1}")
    place = out or agreement.with_name(f"{stem}-v{version}.toml")
    _write_new(place, draft)
    if json:
        print_json({"file": str(place), "version": version})
        return
    say(f"draft of version {version}: {place}")
    say(f"next: change it, then: foedus agreement diff {agreement} {place}")


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="Where to put it; made if absent.")],
    example: Annotated[str, typer.Option(help="Which of the agreements that come with Foedus.")] = "caspian",
    sign_all: Annotated[
        bool, typer.Option("--sign", help="Sign it for every partner, with the keys just made: for trying out.")
    ] = False,
    json: Json = False,
) -> None:
    """Begin with an example: an agreement, new keys for every party, and the sites' own policies."""
    from foedus.keys.examples import lay_out

    made = lay_out(example, folder, sign=sign_all)
    if json:
        print_json(
            {
                "agreement": str(made.agreement),
                "keys": {party: str(path) for party, path in made.keys.items()},
                "signatures": [str(path) for path in made.signatures],
                "policies": [str(path) for path in made.policies],
            }
        )
        return
    for path in (made.agreement, *made.signatures, *made.policies, *made.keys.values()):
        say(str(path))


@app.command()
def vouch(
    ctx: typer.Context,
    agreement: File,
    site: Annotated[str, typer.Argument(help="The site.")],
    site_key: Annotated[str, typer.Argument(help="The public key of the site's agent: ed25519:...")],
    *,
    key: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The private key file of the site's partner.")],
    not_before: Annotated[str | None, typer.Option(help="From when on, such as 2026-12-01T00:00:00Z; now.")] = None,
    out: Annotated[Path | None, typer.Option(help="The statement's file; by default <site>.vouch.dsse.json.")] = None,
    json: Json = False,
) -> None:
    """State, as a partner, that a key speaks for one of your sites. Its agent needs this to join."""
    from foedus.core.agreement.read import read
    from foedus.core.agreement.vouch import Vouch, make, verify
    from foedus.core.base.ids import SiteId
    from foedus.keys import ed25519

    found = read(agreement.read_bytes())
    begins = session_of(ctx).now() if not_before is None else _instant(not_before)
    statement = Vouch(alliance=found.id, site=SiteId(site), key=site_key, not_before=begins)
    envelope = make(ed25519.load(key), statement)
    verify(envelope, found, begins, ed25519.verify)
    place = out or Path(f"{site}.vouch.dsse.json")
    _write_new(place, envelope.write())
    if json:
        print_json({"file": str(place), "site": site, "key": site_key})
        return
    say(f"{site_key} speaks for {site}: {place}")


def _sound(data: bytes) -> "Agreement":
    from foedus.core.agreement.read import read
    from foedus.core.base.errors import BadInput
    from foedus.policy.cedar import clause_faults

    found = read(data)
    faults = clause_faults(found.clauses)
    if faults:
        raise BadInput(*faults)
    return found


def _previous(path: Path | None) -> "Agreement | None":
    from foedus.core.agreement.read import read

    return None if path is None else read(path.read_bytes())


def _envelope(place: Path) -> "Envelope | None":
    from foedus.core.base.dsse import Envelope

    return Envelope.read(place.read_bytes(), str(place)) if place.exists() else None


def _envelopes(
    file: Path, found: "Agreement", before: "Agreement | None"
) -> "tuple[dict[PartnerId, Envelope], list[Fault]]":
    """Read the signatures beside the file; what cannot be read is a fault and no signature."""
    from foedus.core.agreement.signatures import file_name, needed
    from foedus.core.base.errors import BadInput

    envelopes: dict[PartnerId, Envelope] = {}
    faults: list[Fault] = []
    for partner in dict.fromkeys(partner for partner, _ in needed(found, before)):
        try:
            envelope = _envelope(file.with_name(file_name(file.name, partner)))
        except BadInput as error:
            faults.extend(error.faults)
            continue
        if envelope is not None:
            envelopes[partner] = envelope
    return envelopes, faults


def _verdict(found: "Agreement", signatures: "Sequence[Finding]", faults: "Sequence[Fault]") -> dict[str, object]:
    return {
        "id": found.id,
        "version": found.version,
        "digest": found.digest,
        "signatures": [{"partner": one.partner, "key": one.key, "standing": one.standing} for one in signatures],
        "faults": [{"path": fault.path, "fault": fault.fault, "remedy": fault.remedy} for fault in faults],
    }


def _write_new(place: Path, data: bytes) -> None:
    from foedus.core.base.errors import Conflict

    try:
        with place.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise Conflict(f"{place} exists already", remedy="give another file with --out") from error


def _instant(text: str) -> "Instant":
    from foedus.core.base.errors import BadInput, Fault
    from foedus.core.base.instant import parse_iso

    try:
        return parse_iso(text)
    except ValueError as error:
        fault = Fault(path="--not-before", fault=str(error), remedy="write it like 2026-12-01T00:00:00Z")
        raise BadInput(fault) from error


def _count(things: tuple[object, ...], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
