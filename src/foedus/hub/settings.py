"""Settings of a hub process: environment variables ``FOEDUS_HUB_*``, or a TOML file."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from foedus.process.tables import read_table
from foedus.wire.errors import unfit


class HubSettings(BaseSettings):
    """Settings of a hub process."""

    model_config = SettingsConfigDict(env_prefix="FOEDUS_HUB_", frozen=True, extra="forbid")

    state: Path = Path("foedus-hub")
    """Folder of what the hub keeps outside the database: its key, pieces of files. Shared by all hub processes."""

    database: str = ""
    """SQLAlchemy URL. Empty: SQLite in the state folder. PostgreSQL: ``postgresql+psycopg://user@host/name``."""

    host: str = "127.0.0.1"
    """Address to listen on."""

    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on; 0 picks a free one."""

    migrate: bool | None = None
    """Bring the database's schema up to date at start. Unset: for SQLite only."""

    tls_certificate: Path | None = None
    """PEM file of the certificate, where the hub ends TLS itself."""

    tls_key: Path | None = None
    """PEM file of the certificate's key."""

    fresh_s: int = Field(default=60, ge=1)
    """Seconds after which a silent site counts as unreachable and its word about its capacity as old."""

    patience_s: int = Field(default=1800, ge=0)
    """Seconds that a job lets younger ones pass before room is kept for it."""

    promise_s: int = Field(default=120, ge=1)
    """Seconds that a site may leave a job in its own queue before it is asked back for a site that can start it."""

    rest_s: int = Field(default=30, ge=0)
    """Seconds that a job stays away from a site that gave it back."""

    ahead: bool = False
    """Whether a site is given as many jobs as it has ended in the last five seconds before it has room for them. For
    alliances whose jobs are all short: behind a long one, a job given ahead waits up to `promise_s`."""

    pass_s: float = Field(default=1.0, gt=0)
    """Seconds between two passes of the broker when nothing wakes it."""

    window: int = Field(default=1000, ge=1)
    """Most waiting jobs that one pass looks at."""

    most_starts: int = Field(default=200, ge=1)
    """Most start orders in one answer to an agent."""

    most_waiting: int = Field(default=250_000, ge=1)
    """Most jobs of one project that wait at a time; a submission beyond is put off."""

    requests_per_s: int = Field(default=300, ge=1)
    """Requests a second that one person may make of this process in the long run; ten seconds' worth at once."""

    largest_log_mib: int = Field(default=256, ge=1)
    """Most output of one stream of one attempt that is kept, in MiB, whatever its site sends."""

    largest_body: int = Field(default=64 * 1024 * 1024, ge=1024)
    """Largest request body, in bytes."""

    log_format: Literal["console", "json"] = "console"
    """How log lines look."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important log lines that are written."""

    @property
    def database_url(self) -> str:
        """The database, with the default filled in."""
        return self.database or f"sqlite:///{self.state / 'hub.db'}"

    @property
    def migrates(self) -> bool:
        """Whether the schema is brought up to date at start."""
        return self.database_url.startswith("sqlite") if self.migrate is None else self.migrate


def load(config: Path | None = None, **given: object) -> HubSettings:
    """Load settings: what is given, then the environment, then the file, then the defaults.

    Raises `BadInput` with every fault.
    """
    written = {} if config is None else read_table(config, "name the hub's settings")

    class _WithFile(HubSettings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the framework passes it
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the framework passes it
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=written))

    try:
        return _WithFile(**{name: value for name, value in given.items() if value is not None})  # pyright: ignore[reportArgumentType] - checked by pydantic
    except ValidationError as error:
        raise unfit(error.errors(), "see the reference of the hub's settings") from error
