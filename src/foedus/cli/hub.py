"""``foedus hub``: begin, run and keep a hub."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.session import Json
from foedus.cli.show import count, note, print_json, say
from foedus.core.base.ids import PartnerId, UserId

if TYPE_CHECKING:
    from foedus.hub.settings import HubSettings

app = typer.Typer(no_args_is_help=True, help="Run a hub.")

Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.", exists=True, dir_okay=False)]
State = Annotated[Path | None, typer.Option("--state", help="Folder of the hub's key, files and SQLite database.")]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database", help="SQLAlchemy URL; SQLite in the state folder if unset.")
]


@app.command()
def key(config: Config = None, state: State = None, json: Json = False) -> None:
    """Show the hub's public key, to be written into the agreement; make the key if there is none."""
    from foedus.hub.keys import HubKeys

    shown = HubKeys(_settings(config, state=state).state).make().key
    if json:
        print_json({"key": shown})
    else:
        typer.echo(shown)


@app.command()
def rotate(config: Config = None, state: State = None, database: DatabaseUrl = None, json: Json = False) -> None:
    """Change the hub's key, in two calls with an amendment between them; the hub keeps running.

    The first call makes the next key and shows it, for an amendment to name. From the moment in which that amendment is
    in force all hub processes sign with it; a call after that puts it in the old key's place, which is gone then.
    """
    from foedus.hub.begin import rotate as change

    done = change(_settings(config, state=state, database=database))
    if json:
        print_json({"key": done.key, "in_force": done.in_force})
    elif done.in_force:
        say(f"the hub's key is {done.key}")
    else:
        note("let an amendment of the agreement name this key, and call this again when it is in force")
        say(done.key)


@app.command()
def init(
    agreement: Annotated[Path, typer.Option(help="The signed agreement; the signatures stand beside it.", exists=True)],
    office: Annotated[str, typer.Option(help="User id of the alliance's office.")],
    partner: Annotated[str, typer.Option(help="The partner that the office's user belongs to.")],
    key: Annotated[
        Path | None, typer.Option(help="Private key that the hub is to have; otherwise its own.", exists=True)
    ] = None,
    config: Config = None,
    state: State = None,
    database: DatabaseUrl = None,
    parsable: Annotated[bool, typer.Option("--parsable", help="Print the token alone.")] = False,
    json: Json = False,
) -> None:
    """Put the agreement in force on a fresh database and make the office's account; its token is shown once."""
    from foedus.hub.begin import begin

    settings = _settings(config, state=state, database=database)
    begun = begin(settings, agreement, UserId(office), PartnerId(partner), key=key)
    if json:
        token = begun.token.model_dump(mode="json")
        print_json({"alliance": begun.alliance, "version": begun.version, "token": token})
        return
    if parsable:
        typer.echo(begun.token.token)
        return
    typer.echo(f"Version {begun.version} of {begun.alliance} is in force.")
    typer.echo(f"Token of {begun.token.user} (shown once): {begun.token.token}")


@app.command()
def serve(
    config: Config = None,
    state: State = None,
    database: DatabaseUrl = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.")] = None,
    migrate: Annotated[
        bool | None, typer.Option("--migrate/--no-migrate", help="Bring the schema up to date first.")
    ] = None,
) -> None:
    """Serve the API and place jobs until told to stop; running jobs are not touched by that."""
    from foedus.hub.serve import serve as run

    settings = _settings(config, state=state, database=database, host=host, port=port, migrate=migrate)
    run(settings, ready=lambda address: typer.echo(f"Foedus hub at {address} (API: {address}/docs)"))


@app.command()
def migrate(config: Config = None, state: State = None, database: DatabaseUrl = None, json: Json = False) -> None:
    """Bring the database's schema up to date."""
    from foedus.store.migrate import migrate as run

    settings = _settings(config, state=state, database=database)
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    done = run(settings.database_url)
    if json:
        print_json({"applied": list(done)})
    else:
        typer.echo(f"Applied: {', '.join(done)}" if done else "The schema is up to date.")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    *,
    with_key: Annotated[bool, typer.Option("--with-key", help="Put the hub's private key in as well.")] = False,
    with_files: Annotated[bool, typer.Option(help="Put in what jobs brought and brought back.")] = True,
    config: Config = None,
    state: State = None,
    database: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Back a hub up while it runs: its database as it is at one moment, its files, and on request its key.

    The result is read again from end to end before this says that it is done.
    """
    from dataclasses import asdict

    from foedus.hub.backup import backup as run

    settings = _settings(config, state=state, database=database)
    saved = run(settings, file, with_key=with_key, with_files=with_files)
    if json:
        print_json({"file": str(file), **asdict(saved)})
        return
    say(f"{file}: {saved.alliance} at {saved.at}, ledger up to entry {saved.head}")
    say(f"files: {count(saved.pieces, 'piece')}" if with_files else "files: left out; keep the folder pieces apart")
    if saved.keys:
        say(f"keys: {', '.join(saved.keys)}; who reads this file can sign as the hub")
    else:
        say("keys: left out; keep hub.key apart, without it no hub can be restored")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that foedus hub backup wrote.", exists=True, dir_okay=False)],
    *,
    check: Annotated[bool, typer.Option("--check", help="Only read it from end to end.")] = False,
    config: Config = None,
    state: State = None,
    database: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Put a backup into an empty database and state folder. The hub then begins in recovery: foedus hub recovery."""
    from dataclasses import asdict

    from foedus.hub.backup import look
    from foedus.hub.backup import restore as run

    if check:
        saved = look(file)
        if json:
            print_json(asdict(saved))
        else:
            say(f"{file} is whole: {saved.alliance} at {saved.at}, ledger up to entry {saved.head}")
        return
    done = run(_settings(config, state=state, database=database), file)
    if json:
        print_json(asdict(done))
        return
    say(f"{done.saved.alliance} as it was at {done.saved.at}, ledger up to entry {done.head}, chain checked")
    if done.absent:
        say(f"{count(done.absent, 'piece')} of files are not here; clients send again what is needed")
    if not done.key:
        say("the hub's key is not here: put hub.key into the state folder")
    say(f"{count(done.tokens, 'token')} are good again as they were then: revoke anew what was revoked since")
    note("start the hub: it takes nothing until its sites have told what it has lost; see foedus hub recovery")


@app.command()
def recovery(
    finish: Annotated[bool, typer.Option("--finish", help="End it: the hub goes on as usual.")] = False,
    without: Annotated[
        list[str] | None, typer.Option(help="Do not wait for this site; waiting jobs are then held back.")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="Take missing entries from an exported ledger.", exists=True, dir_okay=False)
    ] = None,
    config: Config = None,
    state: State = None,
    database: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Show what a restored hub has learnt back from its sites, and end the recovery."""
    from foedus.cli.recovery import run

    run(
        _settings(config, state=state, database=database),
        finish=finish,
        without=tuple(without or ()),
        ledger=ledger,
        json=json,
    )


def _settings(config: Path | None, **given: object) -> "HubSettings":
    from foedus.hub.settings import load

    return load(config, **given)
