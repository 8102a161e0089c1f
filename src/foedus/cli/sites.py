"""``foedus sites`` and ``foedus site``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.session import Json, session_of
from foedus.cli.show import count, gpu_hours, note, print_json, say, since, when
from foedus.cli.table import table
from foedus.core.base.errors import BadInput, Fault, NotFound

if TYPE_CHECKING:
    from foedus.client.sync import Client
    from foedus.core.base.dsse import Envelope
    from foedus.core.placement.capacity import Lane
    from foedus.wire.alliance import SiteView

app = typer.Typer(help="Enrolment codes and revocation for a site's agent.", no_args_is_help=True)

_NO_REASON = "no reason given"

Site = Annotated[str, typer.Argument(metavar="SITE", help="The site's name in the agreement.")]


def sites(ctx: typer.Context, json: Json = False) -> None:
    """Show the sites, whether they answer, and what can start there now."""
    session = session_of(ctx)
    from foedus.wire.alliance import SiteList

    with session.client() as client:
        found = client.sites()
    if json:
        print_json(SiteList(sites=list(found)))
        return
    now = session.now()
    rows = [
        (
            one.id,
            one.partner,
            one.country,
            _state(one),
            _free(one),
            f"{one.gpus} {', '.join(one.gpu_models)}".strip(),
            f"{gpu_hours(one.pledge_gpu_seconds)} per {one.pledge_period}",
            str(one.running),
            str(one.waiting),
            since(one.seen, now),
        )
        for one in found
    ]
    columns = ("SITE", "PARTNER", "COUNTRY", "STATE", "FREE NOW", "GPUS", "PLEDGE", "RUNNING", "WAITING", "LAST REPORT")
    spare = ("COUNTRY", "PLEDGE", "LAST REPORT", "WAITING")
    table(columns, rows, right=("RUNNING", "WAITING"), text="FREE NOW", spare=spare)


def _state(site: "SiteView") -> str:
    if not site.enrolled:
        return "not enrolled"
    if not site.reachable:
        return "unreachable"
    return "draining" if site.draining else "up"


def _free(site: "SiteView") -> str:
    """Say what can start now, for owners' jobs and for guests'."""
    if site.capacity is None:
        return "-"
    lanes = (("owners", site.capacity.owner), ("guests", site.capacity.guest))
    return "; ".join(f"{who}: {_lane(lane)}" for who, lane in lanes if lane is not None) or "-"


def _lane(lane: "Lane") -> str:
    if not lane.open:
        return "closed"
    gpus = sum(group.count * group.gpus for group in lane.free)
    cpus = sum(group.count * group.cpus for group in lane.free)
    return f"{count(gpus, 'GPU')}, {count(cpus, 'CPU')}"


@app.command()
def code(ctx: typer.Context, site: Site, json: Json = False) -> None:
    """Make a single-use code for `foedus agent enrol` at the site. Standard output gets the code alone."""
    session = session_of(ctx)
    with session.client() as client:
        reply = client.enrolment_code(site)
    if json:
        print_json(reply)
        return
    note(f"enrolment code for {reply.site}, good until {when(reply.expires, session.now())}")
    say(reply.code)


@app.command()
def revoke(
    ctx: typer.Context,
    site: Site,
    partner_key: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Private key of the site's partner: revoke for good."),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="What the ledger gives as the reason; with --partner-key.")] = None,
    site_key: Annotated[
        str | None, typer.Option(help="Which key, if not the one the site has now; with --partner-key.")
    ] = None,
    requeue: Annotated[
        bool,
        typer.Option("--requeue", help="Give its open jobs to other sites at once; what runs there no longer counts."),
    ] = False,
    json: Json = False,
) -> None:
    """Revoke the key of the site's agent: the hub takes nothing from it any more.

    With --partner-key the ledger says so too, and that key can never be enrolled again. A job that runs there goes on;
    with --requeue it begins anew elsewhere all the same, and may run twice until the site's agent is back.
    """
    session = session_of(ctx)
    with session.client() as client:
        if partner_key is not None:
            statement = _statement(client, site, partner_key, reason, site_key)
            reply = client.revoke_site(site, statement.json(), requeue=requeue)
        elif reason is not None or site_key is not None:
            raise BadInput(
                Fault(
                    path="--partner-key",
                    fault="is missing, and --reason and --site-key need it",
                    remedy="give the private key file of the site's partner, or leave those options out",
                )
            )
        else:
            reply = client.revoke_site(site, requeue=requeue)
    if json:
        print_json(reply)
        return
    say(f"the hub takes nothing signed with {reply.key} any more")
    if requeue:
        note(f"{count(reply.requeued, 'job')} taken back from {site}")
    if reply.entry is None:
        note("the ledger does not say so, and a new code lets the same key enrol again; see --partner-key")
    else:
        note(f"ledger entry {reply.entry} says so, for good; {site} joins again with a new key and a new code")


def _statement(client: "Client", site: str, partner_key: Path, reason: str | None, site_key: str | None) -> "Envelope":
    from foedus.core.agreement.revocation import Revocation, make
    from foedus.core.base.ids import AllianceId, SiteId
    from foedus.keys.ed25519 import load

    signer = load(partner_key)
    present = next((one.key for one in client.sites() if one.id == site), None)
    key = site_key or present
    if key is None:
        raise NotFound(f"site {site} has no key now", remedy="name the one to revoke with --site-key ed25519:...")
    alliance = AllianceId(client.agreement().id)
    said = Revocation(alliance=alliance, site=SiteId(site), key=key, reason=reason or _NO_REASON)
    return make(signer, said)
