"""Everything that a site's agent can be told: a TOML file, each line of which ``FOEDUS_AGENT_...`` overrides."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from foedus.process.tables import read_table
from foedus.wire.errors import unfit

_Folder = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]


class AgentSettings(BaseSettings):
    """Settings of one agent."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="FOEDUS_AGENT_", env_nested_delimiter="__"
    )

    hub: str = ""
    """Address of the hub, such as ``https://hub.example.org``; by default the one that the site was enrolled at."""
    ca_file: _Folder | None = None
    """Certificates to trust for the hub, as PEM; by default the machine's own."""
    driver: dict[str, Any] = Field(default_factory=dict[str, Any])
    """The ``[driver]`` table: ``kind`` picks the driver (``slurm``, ``local`` or one of your own), the rest is its
    own settings."""
    policy: _Folder
    """The site's own policies, a ``.cedar`` file. They have the last word on every job."""
    accounts: _Folder
    """The account map, a TOML file: which local account each partner, project and user runs as."""
    work: _Folder
    """Folder of the jobs' own folders, on the file system that the cluster's nodes share."""
    lowest_uid: int = Field(default=1000, ge=1)
    """Accounts below this number are never used."""
    allow_root: bool = False
    """Whether the account map may name root: for trials in a container only."""
    look_s: float = Field(default=2, gt=0, le=60)
    """Most seconds between two looks at the cluster while any attempt lives. Young attempts are looked at sooner, but
    never so often that looks take more than a twentieth of the time."""
    starts_at_once: int = Field(default=4, ge=1, le=64)
    """How many attempts are handed to the cluster at the same time."""
    idle_look_s: float = Field(default=30, gt=0, le=600)
    """Seconds between two looks while none does."""
    poll_s: float = Field(default=20, ge=0, le=60)
    """How long the hub may hold back its answer while it has no orders."""
    log_tail_s: float = Field(default=0.5, gt=0, le=60)
    """Seconds between two looks at the output of the jobs."""
    report_s: float = Field(default=5, gt=0, le=60)
    """Seconds between two reports of the site's capacity, while nothing else is to be reported."""
    capacity_s: float = Field(default=1, ge=0, le=60)
    """Most seconds until the site's capacity is reported after a change; sooner where the cluster answers quickly."""
    board_s: float = Field(default=300, ge=1)
    """Seconds between two reports of everything that the site has."""
    settle_s: float = Field(default=15, ge=0)
    """After a hand-over in doubt: how long the cluster is searched before the attempt is handed over again."""
    lost_after_s: float = Field(default=600, ge=1)
    """How long an attempt may be unknown to the cluster before it counts as lost to a node failure."""
    grace_s: float = Field(default=60, ge=0, le=3600)
    """How long a job that is called home while it runs may save its progress, if its ``--signal`` does not say."""
    log_cap_mib: int = Field(default=64, ge=1)
    """Most output of one attempt that is passed on, in MiB; the rest stays in its files at the site."""
    log_rate_kib: int = Field(default=1024, ge=1)
    """Most output of one attempt that is passed on in a second while it runs, in KiB; the rest follows. So a job that
    floods its output does not crowd out the others'."""
    bundle_cap_mib: int = Field(default=4096, ge=1)
    """Largest bundle that the site takes, in MiB."""
    piece_cache_mib: int = Field(default=1024, ge=0)
    """How much of the bundles is kept for the next job that brings the same files, in MiB."""
    output_cap_mib: int = Field(default=4096, ge=1)
    """Most declared output of one attempt that is sent back, in MiB."""
    files_cap: int = Field(default=20_000, ge=1, le=100_000)
    """Most files in a bundle, and in the outputs of one attempt."""
    keep_days: int = Field(default=30, ge=1)
    """How long the journal remembers attempts that are over."""
    keep_work_days: int = Field(default=30, ge=1)
    """How long the folder of an attempt stays after the attempt is over and the hub has everything about it."""
    json_logs: bool = False
    """Whether the agent's own log is one JSON object a line."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    @property
    def driver_kind(self) -> str:
        """Which driver."""
        return str(self.driver.get("kind", "slurm"))

    @property
    def driver_settings(self) -> dict[str, Any]:
        """What the driver itself is told."""
        return {name: value for name, value in self.driver.items() if name != "kind"}


def read_settings(path: Path) -> AgentSettings:
    """Read the file; relative paths in it begin at its folder. Raises `BadInput` with every fault."""
    found = read_table(path, "name the agent's settings")
    folder = path.absolute().parent
    for name in ("ca_file", "policy", "accounts", "work"):
        if isinstance(found.get(name), str):
            found[name] = str(folder / Path(found[name]).expanduser())
    try:
        return AgentSettings(**found)
    except ValidationError as error:
        raise unfit(error.errors(), "see the reference of the agent's settings", where=f"{path}: ") from error
