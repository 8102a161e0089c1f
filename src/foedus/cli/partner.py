"""``foedus partner``: what the office does about a partner's key."""

from typing import Annotated

import typer

from foedus.cli.session import Json, session_of
from foedus.cli.show import note, print_json, say

app = typer.Typer(help="The partners' keys.", no_args_is_help=True)


@app.callback()
def partner() -> None:
    """Revoke a partner's key."""


@app.command()
def revoke(
    ctx: typer.Context,
    partner: Annotated[str, typer.Argument(metavar="PARTNER", help="The partner whose key was stolen.")],
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    json: Json = False,
) -> None:
    """Take no statement signed with a partner's present key any more, at once (office).

    Its sites go on. No key of a site is vouched for or revoked with it, and no agreement that names it comes into
    force, until an amendment names the partner's new key.
    """
    session = session_of(ctx)
    with session.client() as client:
        view = client.revoke_partner_key(partner, reason)
    if json:
        print_json(view)
        return
    say(f"the hub takes nothing signed with {view.key} any more")
    note(f"for the readers of the ledger it stands until an amendment names another key of {view.partner}")
