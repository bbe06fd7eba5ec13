"""The settings of a test, for processes that are forked from one that was started with those of another test."""

import os

from dpm_assets.alerts.settings import alert_settings
from dpm_assets.settings import settings

Environment = dict[str, str]


def own_settings() -> Environment:
    """The `DPM_*` variables of this process."""
    return {name: value for name, value in os.environ.items() if name.startswith("DPM_")}


def adopt(given: Environment) -> None:
    """Have these `DPM_*` variables and no others."""
    for name in own_settings():
        del os.environ[name]
    os.environ.update(given)
    settings.cache_clear()
    alert_settings.cache_clear()
