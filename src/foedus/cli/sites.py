"""``foedus sites`` and ``foedus site``."""

from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.session import Json, session_of
from foedus.cli.show import count, gpu_hours, note, print_json, say, since, when
from foedus.cli.table import table

if TYPE_CHECKING:
    from foedus.core.placement.capacity import Lane
    from foedus.wire.alliance import SiteView

app = typer.Typer(help="Enrolment codes and revocation for a site's agent.", no_args_is_help=True)

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
def revoke(ctx: typer.Context, site: Site, json: Json = False) -> None:
    """Revoke the key of the site's agent: the hub takes nothing from it any more."""
    session = session_of(ctx)
    with session.client() as client:
        client.revoke_site(site)
    if json:
        print_json({"revoked": site})
    else:
        say(f"the key of {site}'s agent is revoked; a new code lets it enrol again")
