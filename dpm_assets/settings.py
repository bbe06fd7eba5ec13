"""Every setting of the warehouse, read from `DPM_*` environment variables. A secret is a `SecretStr`: never printed."""

import re
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dpm_assets.errors import DpmError

if TYPE_CHECKING:
    from sqlalchemy import URL


def project_dir() -> Path:
    """The checkout this package stands in, or, for an installed wheel, the current folder."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "workspace.yaml").is_file() else Path.cwd()


def sql_dir() -> Path:
    """The folder of SQL files: inside the package when installed from a wheel, beside it in a checkout."""
    packaged = Path(__file__).resolve().parent / "sql"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parent.parent / "sql"


def by_feed(value: object) -> dict[str, str]:
    """From 'trades=a,accounts=b' to what each feed is given. Raises ValueError when it is not written so."""
    given: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in str(value or "").split(","))):
        feed, equals, text = pair.partition("=")
        if not equals or not feed.strip() or not text.strip():
            raise ValueError(f"{pair!r} is not written as feed=value")
        given[feed.strip()] = text.strip()
    return given


def checked_url(url: str) -> str:
    """The URL of a database. Raises ValueError when it is none, without a word of it: part of a password that is not written as a
    URL wants it would pass for a host or a port, which messages show."""
    match = re.fullmatch(r"postgres(?:ql)?(?:\+\w+)?://(?:([^@]*)@)?([^@]*)", url)
    if not match:
        raise ValueError(
            "it is not a postgresql:// URL: write postgresql://user:password@host:5432/database, in a password @ as %40"
        )
    login = match[1] or ""
    if re.search(r"[\s/?#\[\]]|%(?![0-9A-Fa-f]{2})", login) or login.count(":") > 1:
        raise ValueError(
            "in its user and password write / as %2F, : as %3A, % as %25, ? as %3F, # as %23, a blank as %20"
        )
    port = re.match(r"[^/?]*:([^/?,:\]]*)(?=[/?]|$)", match[2])
    if port and port[1] and not port[1].isdigit():
        raise ValueError("its port is no number; in a password write / as %2F, : as %3A and @ as %40")
    return url


def url_text(url: "URL") -> str:
    """A URL of SQLAlchemy as PostgreSQL's own programs take it, password and all. SQLAlchemy leaves blanks in a password as they
    are; those would refuse the URL then, and show it."""
    return url.render_as_string(hide_password=False).replace(" ", "%20")


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="DPM_", env_ignore_empty=True)

    home: Path = Field(default_factory=lambda: project_dir() / ".dpm", description="State: server, logs, Dagster home.")
    database_url: SecretStr | None = Field(None, description="postgresql:// URL of your own server; unset: embedded.")
    dagster_url: SecretStr | None = Field(None, description="postgresql:// URL of Dagster's own database.")
    port: int = Field(3000, ge=1, le=65535, description="Port of the Dagster UI.")
    host: str = Field("127.0.0.1", description="Address that the Dagster UI listens on. It asks nobody for a password.")
    read_only_ui: bool = Field(False, description="Whether the Dagster UI only shows: no runs, no switches.")
    landing: Path = Field(
        default_factory=lambda: project_dir() / "landing", description="Landing folder, one subfolder a feed."
    )
    first_month: date = Field(date(2020, 1, 1), description="First month of the warehouse, YYYY-MM.")
    months_ahead: int = Field(3, ge=1, le=120, description="Monthly partitions kept ready after the current month.")
    pg_bin: Path | None = Field(None, description="Folder of PostgreSQL binaries for the embedded server.")
    correction_days: int = Field(
        45, ge=0, description="How far either side a correction looks for the trade's old date."
    )

    cold_location: str = Field(
        "", description="Folder or URL of the archive's Parquet files; unset: cold/ in the home."
    )
    cold_after_months: int | None = Field(
        None,
        ge=1,
        description="Months and years that ended this many months ago are archived by the schedule; unset: none.",
    )
    late_trades: Literal["refuse", "restore"] = Field(
        "refuse", description="A load for a month or year in the archive: refuse the file, or restore it."
    )

    repository_url: str = Field(
        "", description="Where the code is, https://github.com/owner/name or a GitLab's: the UI links to it."
    )
    repository_branch: str = Field("main", description="The branch of the repository that the UI links to.")

    @field_validator("repository_url")
    @classmethod
    def _repository(cls, value: str) -> str:
        if value and not re.fullmatch(r"https://[^@?#]*(github|gitlab)[^@?#]*", value):
            raise ValueError("write it as https://github.com/owner/name, or as a GitLab has it, without a login")
        return value.rstrip("/")

    @field_validator("database_url", "dagster_url")
    @classmethod
    def _whole_url(cls, value: SecretStr | None) -> SecretStr | None:
        return value and SecretStr(checked_url(value.get_secret_value()))

    @property
    def cold_root(self) -> str:
        """Where the archive is: a folder, or a URL without a password."""
        return self.cold_location or str(self.home / "cold")

    @field_validator("cold_location")
    @classmethod
    def _without_password(cls, value: str) -> str:
        if "@" in value.partition("://")[2].partition("/")[0]:
            raise ValueError(
                "it must not hold a login: give the file system's own variables, such as AWS_ACCESS_KEY_ID"
            )
        return value

    feed_timezones: Annotated[dict[str, str], NoDecode] = Field(
        {}, description="Zone of times that carry none: trades=Europe/Athens,open_trades=Europe/Athens."
    )
    feed_day_cutoffs: Annotated[dict[str, timedelta], NoDecode] = Field(
        {}, description="When a trading day begins, after midnight in the feed's zone: trades=01:00."
    )

    @field_validator("feed_timezones", mode="before")
    @classmethod
    def _zones(cls, value: object) -> object:
        zones = by_feed(value)
        for zone in zones.values():
            try:
                ZoneInfo(zone)
            except (ValueError, OSError, ZoneInfoNotFoundError):
                raise ValueError(f"there is no time zone {zone!r}, write one such as Europe/Athens") from None
        return zones

    @field_validator("feed_day_cutoffs", mode="before")
    @classmethod
    def _cutoffs(cls, value: object) -> object:
        cutoffs = {}
        for feed, text in by_feed(value).items():
            match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text)
            if not match:
                raise ValueError(f"{text!r} is no time of day, write one such as 01:00")
            cutoffs[feed] = timedelta(hours=int(match[1]), minutes=int(match[2]))
        return cutoffs

    keep_runs_days: int | None = Field(90, ge=1, description="Days that Dagster's ended runs are kept, or 0: for ever.")

    @field_validator("keep_runs_days", mode="before")
    @classmethod
    def _for_ever(cls, value: object) -> object:
        return None if str(value).strip() == "0" else value

    lag_warning_seconds: int = Field(15 * 60, ge=1, description="Age of a change that no view shows yet: a warning.")
    lag_error_seconds: int = Field(2 * 60 * 60, ge=1, description="Age of a change that no view shows yet: an error.")
    query_log_days: int = Field(14, ge=1, description="Days that snapshots of what statements cost are kept.")

    @field_validator("first_month", mode="before")
    @classmethod
    def _month(cls, value: object) -> object:
        return f"{value}-01" if isinstance(value, str) and len(value) == 7 else value

    @field_validator("home", "landing", "pg_bin")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().resolve() if value else None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process. Raises DpmError naming the variable when one cannot be read."""
    try:
        return Settings()  # type: ignore[call-arg]  # the arguments come from the environment
    except ValidationError as error:
        first = error.errors()[0]
        name = "DPM_" + str(first["loc"][0]).upper()
        raise DpmError(f"The setting {name} cannot be used: {first['msg']}. Correct it or unset it.") from None
