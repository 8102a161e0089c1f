"""``foedus hub``: begin, run and keep a hub."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.session import Json
from foedus.cli.show import print_json
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
    from foedus.hub.begin import hub_key

    shown = hub_key(_settings(config, state=state))
    if json:
        print_json({"key": shown})
    else:
        typer.echo(shown)


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


def _settings(config: Path | None, **given: object) -> "HubSettings":
    from foedus.hub.settings import load

    return load(config, **given)
