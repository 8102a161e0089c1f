"""The alliance of a trial: the example agreement with fresh keys, a hub, an agent at each site, people and projects."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from foedus.cli.trial.processes import Process, foedus, pause
from foedus.cli.trial.toml import write_toml
from foedus.core.base.errors import Broken
from foedus.keys.examples import LaidOut, lay_out

if TYPE_CHECKING:
    from foedus.client import Client
    from foedus.wire.alliance import SiteView

_READY_S = 60.0
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSite:
    """One site of a trial."""

    id: str
    partner: str
    driver: Mapping[str, object]
    """The agent's ``[driver]`` table."""
    accounts: Sequence[Mapping[str, str]]
    """The lines of its account map."""
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    """Further settings of its agent."""
    policy: str | None = None
    """Its local policy; the example's own if unset."""


class Alliance:
    """The example alliance in a folder, on a free port of the loopback address."""

    def __init__(
        self,
        folder: Path,
        sites: Sequence[TrialSite],
        *,
        example: str = "caspian",
        database: str = "",
        hub_settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.sites: dict[str, TrialSite] = {site.id: site for site in sites}
        self._example = example
        self._database = database
        self._hub_settings = dict(hub_settings or {})
        self._tokens: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{_free_port()}"
        self.hub = self._hub("hub", self.url)
        self.hubs = [self.hub]
        self.agents: dict[str, Process] = {}
        self._laid_out: LaidOut | None = None

    @property
    def agreement(self) -> Path:
        """The signed agreement."""
        return self.folder / "agreement.toml"

    def found(self) -> None:
        """Make keys, sign the example agreement, and begin the hub's books with it."""
        self._laid_out = lay_out(self._example, self.folder, sign=True)
        database = ("--database", self._database) if self._database else ()
        if database:
            foedus("hub", "migrate", "--state", str(self.folder / "hub"), *database)
        token = foedus(
            *("hub", "init", "--agreement", str(self.agreement), "--office", "office", "--partner", "israel"),
            *("--state", str(self.folder / "hub"), "--key", str(self._laid_out.keys["hub"]), "--parsable", *database),
        )
        self._tokens["office"] = token

    def start_hub(self) -> None:
        """Start the hub, and wait until it answers."""
        self.hub.start()
        self.wait_for_hub(self.hub, self.url)

    def add_hub(self) -> str:
        """Start another hub process on the same database; return its address."""
        url = f"http://127.0.0.1:{_free_port()}"
        another = self._hub(f"hub{len(self.hubs) + 1}", url)
        self.hubs.append(another)
        another.start()
        self.wait_for_hub(another, url)
        return url

    def wait_for_hub(self, process: Process, url: str) -> None:
        """Wait until a hub answers."""
        import httpx2

        for _ in range(int(_READY_S / _LOOK_S)):
            if not process.alive:
                raise Broken(f"the hub ended:\n{process.tail()}")
            try:
                if httpx2.get(f"{url}/healthz", timeout=2).is_success:
                    return
            except httpx2.TransportError:
                pass
            pause(_LOOK_S)
        raise Broken(f"the hub does not answer:\n{process.tail()}")

    def start_site(self, name: str) -> None:
        """Enrol a site with a fresh code and its partner's key, then start its agent."""
        self.enrol_site(name)
        self.agents[name].start()

    def enrol_site(self, name: str) -> None:
        """Enrol a site; its agent is started by `start_site`, or later."""
        site = self.sites[name]
        state, config = self._write_site(site)
        with self.client("office") as office:
            code = office.enrolment_code(name)
        foedus(
            *("agent", "enrol", "--state", str(state), "--hub", self.url, "--site", name, "--code", code.code),
            *("--alliance", self._example, "--partner-key", str(self._keys()[site.partner])),
        )
        arguments = ("agent", "run", "--state", str(state), "--config", str(config))
        self.agents[name] = Process(f"agent of {name}", arguments, self.folder / f"{name}.log")

    def wait_for_sites(self) -> None:
        """Wait until every site that was started has said what it can start."""
        with self.client("office") as office:
            for _ in range(int(_READY_S / _LOOK_S)):
                views: dict[str, SiteView] = {view.id: view for view in office.sites()}
                if all(views[name].capacity is not None for name in self.agents):
                    return
                for process in self.agents.values():
                    if not process.alive:
                        raise Broken(f"the {process.name} ended:\n{process.tail()}")
                pause(_LOOK_S)
        logs = "\n".join(process.tail() for process in self.agents.values())
        raise Broken(f"a site does not report:\n{logs}")

    def add_user(self, user: str, partner: str) -> None:
        """Make a person known and keep a token for them."""
        with self.client("office") as office:
            office.add_user(user, partner=partner)
            self._tokens[user] = office.create_token(user=user, scope="manage").token

    def open_project(self, name: str, *, title: str, sector: str, lead: str, gpu_hours: int) -> None:
        """Open a project and grant it GPU-hours."""
        with self.client("office") as office:
            office.open_project(name, title=title, sector=sector, lead=lead)
            office.grant(name, gpu_hours, reason="trial")

    def client(self, user: str, url: str | None = None) -> "Client":
        """Return a client that speaks for a user."""
        from foedus.client import Client

        return Client(url or self.url, self._tokens[user])

    def token(self, user: str) -> str:
        """Return a user's token."""
        return self._tokens[user]

    def stop(self) -> None:
        """Stop the agents, then the hubs. Jobs that run go on until they end."""
        for process in [*self.agents.values(), *reversed(self.hubs)]:
            process.stop()

    def _hub(self, name: str, url: str) -> Process:
        port = url.rpartition(":")[2]
        arguments = ("hub", "serve", "--state", str(self.folder / "hub"), "--port", port)
        database = ("--database", self._database, "--no-migrate") if self._database else ()
        environment = {f"FOEDUS_HUB_{key.upper()}": value for key, value in self._hub_settings.items()}
        return Process(name, (*arguments, *database), self.folder / f"{name}.log", environment)

    def _keys(self) -> Mapping[str, Path]:
        if self._laid_out is None:
            raise Broken("the alliance was not founded yet")
        return self._laid_out.keys

    def _write_site(self, site: TrialSite) -> tuple[Path, Path]:
        folder = self.folder / site.id
        folder.mkdir(exist_ok=True)
        policy = self.folder / f"{site.id}.cedar"
        if site.policy is not None:
            policy = folder / "policy.cedar"
            policy.write_text(site.policy, encoding="utf-8")
        (folder / "accounts.toml").write_text(write_toml({"account": list(site.accounts)}), encoding="utf-8")
        settings = {
            "policy": str(policy),
            "accounts": str(folder / "accounts.toml"),
            "work": str(folder / "work"),
            **site.settings,
            "driver": dict(site.driver),
        }
        (folder / "agent.toml").write_text(write_toml(settings), encoding="utf-8")
        return folder / "state", folder / "agent.toml"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
