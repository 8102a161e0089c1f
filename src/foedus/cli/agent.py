"""``foedus agent``: a site's own end of the alliance."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.session import Json
from foedus.cli.show import print_json, say

if TYPE_CHECKING:
    from foedus.agent.desk import DeskView
    from foedus.agent.folder import StateFolder

app = typer.Typer(no_args_is_help=True, help="Run a site's agent. It only ever connects outwards.")

State = Annotated[
    Path, typer.Option("--state", envvar="FOEDUS_AGENT_STATE", help="The agent's folder: its key, its journal.")
]


@app.command()
def key(
    state: State,
    new: Annotated[
        bool, typer.Option("--new", help="Make another key in its place; the site has to be enrolled again with it.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the site's public key, for its partner to vouch for; make the key if there is none."""
    folder = _folder(state)
    shown = (folder.new_key() if new else folder.make_key()).key
    if json:
        print_json({"key": shown})
    else:
        say(shown)


@app.command()
def enrol(
    state: State,
    hub: Annotated[str, typer.Option(help="Address of the hub.")],
    site: Annotated[str, typer.Option(help="The site's id in the agreement.")],
    code: Annotated[str, typer.Option(help="Single-use code from `foedus site code`.", envvar="FOEDUS_AGENT_CODE")],
    vouch: Annotated[
        Path | None, typer.Option(help="The partner's statement (`foedus agreement vouch`).", exists=True)
    ] = None,
    partner_key: Annotated[
        Path | None, typer.Option(help="The partner's private key, where it is at hand.", exists=True)
    ] = None,
    alliance: Annotated[str | None, typer.Option(help="The agreement's id; needed with --partner-key.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Certificates to trust for the hub, as PEM.")] = None,
    json: Json = False,
) -> None:
    """Enrol the site: its key is made here and never leaves; the partners' signatures on the agreement are checked."""
    from foedus.agent.enrol import join, statement
    from foedus.agent.post import connect
    from foedus.core.base.dsse import Envelope
    from foedus.core.base.errors import BadInput, Fault
    from foedus.core.base.ids import SiteId
    from foedus.keys.ed25519 import load
    from foedus.process.clock import SystemClock

    folder = _folder(state).make()
    clock = SystemClock()
    if vouch is not None and partner_key is None:
        envelope = Envelope.read(vouch.read_bytes(), str(vouch))
    elif partner_key is not None and vouch is None and alliance is not None:
        envelope = statement(folder, SiteId(site), load(partner_key), alliance, clock)
    else:
        remedy = "give either --vouch FILE, or --partner-key FILE together with --alliance ID"
        raise BadInput(Fault(path="--vouch", fault="nobody vouches for the site's key", remedy=remedy))
    with connect(hub, None if ca_file is None else str(ca_file)) as http:
        found = join(folder, http, hub_url=hub, site=SiteId(site), code=code, envelope=envelope, clock=clock)
    agreement = found.agreement
    if json:
        print_json({"site": site, "key": found.key, "alliance": agreement.id, "version": agreement.version})
    else:
        say(
            f"{site} is enrolled in {agreement.id}, version {agreement.version} of the agreement (entry {found.entry})."
        )


@app.command()
def rotate(
    state: State,
    partner_key: Annotated[
        Path | None, typer.Option(help="The partner's private key, where it is at hand.", exists=True)
    ] = None,
    vouch: Annotated[Path | None, typer.Option(help="The partner's statement about the next key.", exists=True)] = None,
    hub: Annotated[str | None, typer.Option(help="Address of the hub, if not the one that the site joined.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Certificates to trust for the hub, as PEM.")] = None,
    json: Json = False,
) -> None:
    """Change the site's key while the agent runs and jobs go on. May be repeated until it says that it is done.

    With --partner-key it is one step, and the ledger retires the old key too. Without it the next key is shown, for the
    partner's signatory to vouch for (`foedus agreement vouch`); a second call takes that statement with --vouch.
    """
    from foedus.agent.post import connect
    from foedus.agent.rotate import rotate as change
    from foedus.agent.rotate import statements
    from foedus.core.base.dsse import Envelope
    from foedus.core.base.errors import BadInput, Fault
    from foedus.keys.ed25519 import load
    from foedus.process.clock import SystemClock

    folder = _folder(state)
    known, clock = folder.enrolment(), SystemClock()
    if partner_key is not None and vouch is not None:
        raise BadInput(Fault(path="--vouch", fault="and --partner-key are both given", remedy="give one of them"))
    if partner_key is not None:
        statement, retirement = statements(folder, load(partner_key), clock)
    elif vouch is not None:
        statement, retirement = Envelope.read(vouch.read_bytes(), str(vouch)), None
    else:
        following = folder.keys().make_next().key
        if json:
            print_json({"next": following})
        else:
            say(following)
        return
    with connect(hub or known.hub, None if ca_file is None else str(ca_file)) as http:
        done = change(folder, http, statement, retirement, clock)
    if json:
        print_json({"site": known.site, "key": done.key, "entry": done.entry})
    else:
        booked = "" if done.entry is None else f" (entry {done.entry})"
        say(f"{known.site} has a new key{booked}: {done.key}")


@app.command()
def run(
    state: State,
    config: Annotated[
        Path, typer.Option(envvar="FOEDUS_AGENT_CONFIG", help="TOML file with the settings.", exists=True)
    ],
) -> None:
    """Run the agent until it is told to stop (SIGTERM, SIGINT). Jobs go on without it."""
    import signal

    from foedus.agent.settings import read_settings
    from foedus.agent.wiring import build

    agent = build(_folder(state), read_settings(config))
    agent.stop_on(signal.SIGTERM, signal.SIGINT)
    agent.run()


@app.command()
def drain(state: State, json: Json = False) -> None:
    """Take nothing new: orders go back to the hub. Jobs that the cluster has go on."""
    _set(state, "draining", "Draining: nothing new is taken.", on=True, json=json)


@app.command()
def resume(state: State, json: Json = False) -> None:
    """Take orders again after a drain."""
    _set(state, "draining", "Taking orders again.", on=False, json=json)


@app.command()
def sever(state: State, json: Json = False) -> None:
    """Cut the site off from the hub, at once and until `rejoin`. Running jobs go on, nothing new starts."""
    _set(state, "severed", "Severed: not a word to the hub until `foedus agent rejoin`.", on=True, json=json)


@app.command()
def rejoin(state: State, json: Json = False) -> None:
    """Speak with the hub again after `sever`, and report everything that happened since."""
    _set(state, "severed", "Rejoining.", on=False, json=json)


@app.command()
def status(state: State, json: Json = False) -> None:
    """Show where the agent is: works without the hub, and without the agent."""
    from foedus.agent.desk import look

    view = look(_folder(state))
    if json:
        print_json(view)
    else:
        for line in _lines(view):
            say(line)


@app.command()
def metrics(
    state: State,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="File to replace; standard output else.")
    ] = None,
    json: Json = False,
) -> None:
    """Print the agent's figures for Prometheus: for a textfile collector, since an agent opens no port."""
    from foedus.agent.desk import look
    from foedus.agent.figures import figures
    from foedus.client.files import SinkFile

    folder = _folder(state)
    page = figures(folder, look(folder))
    if output is None:
        typer.echo(page, nl=False)
        return
    with SinkFile(output) as file:
        file.write(page)
    output.chmod(0o644)
    if json:
        print_json({"written": str(output)})


@app.command()
def backup(
    state: State,
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    *,
    with_key: Annotated[bool, typer.Option("--with-key", help="Put the site's private key in as well.")] = False,
    json: Json = False,
) -> None:
    """Back an agent's state up while it runs: the journal as it is at one moment, and what it learnt at enrolment.

    Settings, policy and account map are files of your own: keep them as you keep the rest of your configuration.
    """
    from dataclasses import asdict

    from foedus.agent.backup import backup as save

    saved = save(_folder(state), file, with_key=with_key)
    if json:
        print_json({"file": str(file), **asdict(saved)})
        return
    say(f"{file}: {saved.site} at {saved.at}")
    if saved.keys:
        say(f"keys: {', '.join(saved.keys)}; who reads this file can speak for the site")
    else:
        say("keys: left out; keep site.key apart, or enrol the site with a new one after a loss")


@app.command()
def restore(
    state: State,
    file: Annotated[Path, typer.Argument(help="A file that foedus agent backup wrote.", exists=True, dir_okay=False)],
    json: Json = False,
) -> None:
    """Put a backup into a folder without a journal. The agent then looks for everything before it does anything."""
    from dataclasses import asdict

    from foedus.agent.backup import restore as put_back

    folder = _folder(state)
    saved = put_back(folder, file)
    if json:
        print_json(asdict(saved))
        return
    say(f"{saved.site} as it was at {saved.at}")
    if not (folder.path / "site.key").exists():
        say("the site's key is not here: put site.key into the folder, or enrol the site with a new one")


def _lines(view: "DeskView") -> list[str]:
    from foedus.core.base.instant import iso

    running = "runs" if view.running else "does not run"
    link = "severed" if view.severed else "in touch with" if view.talking else "not in touch with"
    lines = [f"{view.site}: the agent {running}, {link} {view.hub}{', draining' if view.draining else ''}"]
    if view.beat is not None:
        lines.append(f"last sign of life {iso(view.beat)}, epoch {view.epoch or '-'}")
    lines.append(f"not heard by the hub yet: {view.unheard_statuses} statuses, {view.unheard_usages} usage records")
    lines += [f"ALARM {view.alarm}"] if view.alarm else []
    lines += [f"not booked by the hub: {view.refused}"] if view.refused else []
    lines += [f"trouble with {part}: {words}" for part, words in sorted(view.trouble.items())]
    for one in view.attempts:
        words = (one.step, one.native_id, one.native_state, one.account, one.reason)
        lines.append(f"{one.job} attempt {one.attempt}: {' '.join(word for word in words if word)}")
    return lines


def _set(state: Path, flag: str, words: str, *, on: bool, json: bool) -> None:
    from foedus.agent.desk import set_flag

    flags = set_flag(_folder(state), flag, on=on)
    if json:
        print_json(flags)
    else:
        say(words)


def _folder(state: Path) -> "StateFolder":
    from foedus.agent.folder import StateFolder

    return StateFolder(path=state.expanduser().absolute())
