"""The settings of the alerts, read from `DPM_ALERT_*` environment variables. Whatever could be a secret is a `SecretStr`."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dpm_assets.errors import DpmError
from dpm_assets.settings import settings


class AlertSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="DPM_ALERT_", env_ignore_empty=True)

    log: Path | None = Field(None, description="File of one JSON line a message; unset: logs/alerts.log in the home.")

    webhook_url: SecretStr | None = Field(None, description="https:// URL that takes messages as JSON by POST.")
    webhook_key: SecretStr | None = Field(None, description="Key that the body is signed with (HMAC-SHA256).")
    webhook_token: SecretStr | None = Field(None, description="Sent as Authorization: Bearer.")
    webhook_timeout_seconds: float = Field(5, gt=0, le=10, description="How long one attempt may take.")

    mail_to: Annotated[list[str], NoDecode] = Field([], description="Addresses, separated by commas.")
    mail_from: str | None = Field(None, description="Address of the sender; unset: the first of those above.")
    smtp_host: str | None = Field(None, description="The mail server.")
    smtp_port: int | None = Field(None, ge=1, le=65535, description="Unset: 587, with tls 465, with none 25.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection is encrypted."
    )
    smtp_user: str | None = Field(None, description="The login at the mail server; unset: none.")
    smtp_password: SecretStr | None = Field(None, description="Its password.")
    smtp_timeout_seconds: float = Field(10, gt=0, le=15, description="How long one mail may take.")

    rejects: int = Field(100, ge=0, description="Rejects of a feed that nobody has dealt with: a warning above.")
    rejects_days: int = Field(7, ge=1, description="How long a load's rejects count.")
    statement_seconds: float = Field(5, gt=0, description="Mean time of a statement: a warning above.")
    statement_calls: int = Field(3, ge=1, description="A statement that is called less often is not judged.")
    statement_window_seconds: int = Field(7200, ge=1, description="The mean is taken over the calls of so long.")

    @property
    def log_file(self) -> Path:
        return self.log or settings().home / "logs" / "alerts.log"

    @field_validator("log")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().resolve() if value else None

    @field_validator("mail_to", mode="before")
    @classmethod
    def _addresses(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    def secrets(self) -> list[str]:
        """Every value that nobody may see."""
        given = (self.webhook_url, self.webhook_key, self.webhook_token, self.smtp_password)
        return [secret.get_secret_value() for secret in given if secret is not None]


@lru_cache(maxsize=1)
def alert_settings() -> AlertSettings:
    """The settings of this process. Raises DpmError naming the variable when one cannot be read."""
    try:
        return AlertSettings()  # type: ignore[call-arg]  # the arguments come from the environment
    except ValidationError as error:
        first = error.errors()[0]
        name = "DPM_ALERT_" + str(first["loc"][0]).upper()
        raise DpmError(f"The setting {name} cannot be used: {first['msg']}. Correct it or unset it.") from None
