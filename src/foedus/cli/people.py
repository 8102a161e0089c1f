"""``foedus user`` and ``foedus token``."""

from typing import Annotated

import typer

from foedus.cli.session import Json, session_of
from foedus.cli.show import count, note, print_json, say, since, when
from foedus.cli.table import table

user = typer.Typer(help="The people of the alliance.", no_args_is_help=True)
token = typer.Typer(help="Tokens: what scripts and clients show to the hub.", no_args_is_help=True)


@user.command()
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="USER", help="A short name, such as dana.")],
    *,
    partner: Annotated[str, typer.Option(help="The partner whom the person belongs to.")],
    full_name: Annotated[str, typer.Option("--name", help="The person's name.")] = "",
    role: Annotated[str, typer.Option(help="user, operator or office.")] = "user",
    json: Json = False,
) -> None:
    """Make a person known (office). They need a token as well: foedus token create --user USER."""
    session = session_of(ctx)
    with session.client() as client:
        view = client.add_user(name, partner=partner, name=full_name, role=role)
    if json:
        print_json(view)
    else:
        say(f"{view.id} of {view.partner}, {view.role}")


@user.command("list")
def list_users(ctx: typer.Context, json: Json = False) -> None:
    """List the people of the alliance."""
    session = session_of(ctx)
    from foedus.wire.alliance import UserList

    with session.client() as client:
        users = client.users()
    if json:
        print_json(UserList(users=list(users)))
        return
    now = session.now()
    rows = [(one.id, one.name, one.partner, one.role, since(one.created, now)) for one in users]
    table(("USER", "NAME", "PARTNER", "ROLE", "SINCE"), rows, spare=("SINCE",))


@user.command("revoke")
def revoke_user(
    ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="USER", help="Who.")], json: Json = False
) -> None:
    """Take nothing from somebody any more, and end all of their tokens, at once (office). Their jobs go on."""
    session = session_of(ctx)
    with session.client() as client:
        view = client.revoke_user(name)
    if json:
        print_json(view)
        return
    say(f"nothing is taken from {view.user} any more; {count(view.tokens, 'token')} ended")
    note("their jobs go on: see foedus list --user, and foedus cancel")


@user.command()
def readmit(
    ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="USER", help="Who.")], json: Json = False
) -> None:
    """Take somebody's word again after a revocation (office). Their old tokens stay ended."""
    session = session_of(ctx)
    with session.client() as client:
        view = client.readmit_user(name)
    if json:
        print_json(view)
        return
    say(f"{view.id} of {view.partner} is known again")
    note(f"they need a new token: foedus token create --user {view.id}")


@token.command()
def create(
    ctx: typer.Context,
    *,
    for_user: Annotated[str | None, typer.Option("--user", help="For someone else (office).")] = None,
    scope: Annotated[str, typer.Option(help="read, submit or manage.")] = "submit",
    project: Annotated[str | None, typer.Option(help="Narrow it to one project.")] = None,
    days: Annotated[int, typer.Option(help="How long it is good for, at most 90.")] = 30,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    json: Json = False,
) -> None:
    """Make a token. It is shown this once: standard output gets the token alone."""
    session = session_of(ctx)
    with session.client() as client:
        view = client.create_token(user=for_user, scope=scope, project=project, days=days, label=label)
    if json:
        print_json(view)
        return
    note(f"token {view.id} for {view.user}, may {view.scope}, until {when(view.expires, session.now())}")
    say(view.token)


@token.command("list")
def list_tokens(ctx: typer.Context, json: Json = False) -> None:
    """List your tokens, without their secrets."""
    session = session_of(ctx)
    from foedus.wire.alliance import TokenList

    with session.client() as client:
        tokens = client.tokens()
    if json:
        print_json(TokenList(tokens=list(tokens)))
        return
    now = session.now()
    rows = [
        (
            one.id,
            one.user,
            one.scope,
            one.project or "-",
            one.label,
            f"revoked {since(one.revoked, now)}" if one.revoked is not None else since(one.expires, now),
            since(one.used, now),
        )
        for one in tokens
    ]
    table(("TOKEN", "USER", "SCOPE", "PROJECT", "LABEL", "EXPIRES", "USED"), rows, text="LABEL")


@token.command()
def revoke(
    ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id.")], json: Json = False
) -> None:
    """Revoke a token by its id; it is refused from now on."""
    session = session_of(ctx)
    with session.client() as client:
        client.revoke_token(name)
    if json:
        print_json({"revoked": name})
    else:
        say(f"token {name} is revoked")
