"""``foedus login`` and ``foedus whoami``."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.session import Json, Login, keep_login, session_of
from foedus.cli.show import print_json, say
from foedus.core.base.errors import BadInput, Fault

if TYPE_CHECKING:
    from foedus.wire.alliance import WhoView


def login(
    ctx: typer.Context,
    hub: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of the hub, like https://hub.example.org.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Keep it under this name; see `foedus --profile`.")] = None,
    json: Json = False,
) -> None:
    """Keep the address of a hub and a token, after checking them. The token is asked for, or read from a pipe."""
    session = session_of(ctx)
    address = hub or session.hub
    if not address:
        raise BadInput(Fault(path="--hub", fault="is not given", remedy="give the address of your alliance's hub"))
    given = Login(hub=address, token=_token())
    with session.client_for(given) as client:
        who = client.whoami()
    keep_login(session.file, profile or session.profile or "default", given)
    _tell(who, json=json)


def _token() -> str:
    text = typer.prompt("Token", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    token = str(text).strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise BadInput(Fault(path="token", fault="is empty or no token", remedy="paste it as it was shown to you"))
    return token


def whoami(ctx: typer.Context, json: Json = False) -> None:
    """Show whom the token speaks for."""
    with session_of(ctx).client() as client:
        who = client.whoami()
    _tell(who, json=json)


def _tell(who: "WhoView", *, json: bool) -> None:
    if json:
        print_json(who)
        return
    say(f"{who.user.id} ({who.user.name or 'no name given'}) of {who.user.partner}, {who.user.role}")
    say(f"token: may {who.scope}{f', in project {who.project} only' if who.project else ''}")
    for one in who.projects:
        say(f"project {one.project}: {one.role}")
