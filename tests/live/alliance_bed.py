"""The example alliance on the two Slurm clusters of the bed: a hub, an agent beside each cluster, people, projects.

Agents run as root, as a site would have them do, and switch to the local accounts of the bed: Israel's people are
``alice`` and ``avi`` at jerusalem and its ``guest`` at baku, and the other way round.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from slurm_bed import SlurmBed

from foedus.cli.trial.alliance import Alliance, TrialSite
from foedus.client import Client

PARTNER = {"jerusalem": "israel", "baku": "azerbaijan"}
PEOPLE = {"dana": "israel", "noam": "israel", "aysel": "azerbaijan", "kamran": "azerbaijan"}
PROJECTS = {
    "phishing-watch": ("cybersecurity", "dana"),
    "form-reader": ("digital-administration", "aysel"),
    "city-flows": ("urban-mobility", "aysel"),
}
QUICK = {"look_s": 0.5, "idle_look_s": 1, "report_s": 1, "log_tail_s": 0.3, "settle_s": 3}


def site(
    bed: SlurmBed,
    name: str,
    work: Path,
    policy: str | None = None,
    *,
    guests: bool = True,
    settings: Mapping[str, object] | None = None,
) -> TrialSite:
    """Describe one cluster of the bed as a site; without `guests` it takes its own partner's jobs alone.

    Its agent looks often, unless it has other `settings`.
    """
    cluster = bed.clusters[name]
    people = cluster.people
    own = {
        "jerusalem": {"dana": people.get("alice"), "noam": people.get("avi")},
        "baku": {"aysel": people.get("leyla"), "kamran": people.get("rashad")},
    }[name]
    accounts = [{"partner": PARTNER[name], "user": user, "account": account} for user, account in own.items()]
    accounts.append({"account": people["guest"]})
    driver = {name: value for name, value in cluster.settings.items() if guests or name != "guest"}
    given = {**(QUICK if settings is None else settings), "lowest_uid": 500, "work": str(work)}
    return TrialSite(
        id=name,
        partner=PARTNER[name],
        driver={"kind": "slurm", **driver},
        accounts=accounts,
        settings=given,
        policy=policy,
    )


@contextmanager
def alliance_on(
    bed: SlurmBed,
    name: str,
    *,
    database: str = "",
    hub_settings: dict[str, str] | None = None,
    policies: Mapping[str, str] | None = None,
    guests: bool = True,
    settings: Mapping[str, object] | None = None,
    sites: Sequence[str] = tuple(PARTNER),
) -> Iterator[Alliance]:
    """Bring the alliance up in a folder of that name beside the clusters: every local account may pass through it."""
    folder = bed.folder / name
    folder.mkdir(mode=0o755)
    bed.clear("jerusalem")
    bed.clear("baku")
    rules = policies or {}
    described = [
        site(bed, one, folder / f"{one}-work", rules.get(one), guests=guests, settings=settings) for one in sites
    ]
    often = {"pass_s": "0.2"} if settings is None else {}
    alliance = Alliance(folder, described, database=database, hub_settings={**often, **(hub_settings or {})})
    try:
        alliance.found()
        alliance.start_hub()
        for user, partner in PEOPLE.items():
            alliance.add_user(user, partner)
        for project, (sector, lead) in PROJECTS.items():
            alliance.open_project(project, title=project, sector=sector, lead=lead, gpu_hours=10_000)
        with alliance.client("office") as office:
            office.add_member("phishing-watch", "noam")
            office.add_member("form-reader", "kamran")
        for one in alliance.sites:
            alliance.start_site(one)
        alliance.wait_for_sites()
        yield alliance
    finally:
        alliance.stop()
        bed.clear("jerusalem")
        bed.clear("baku")


def told(client: Client, job: str, *kinds: str) -> list[str]:
    """Return the sentences of these kinds in a job's story."""
    return [line.text for line in client.why(job).story if line.kind in kinds]
