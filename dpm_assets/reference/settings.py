"""The page of the settings, from their declaration."""

from datetime import date
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from dpm_assets.alerts.settings import AlertSettings
from dpm_assets.reference.markdown import cell, code, page, table
from dpm_assets.settings import Settings, project_dir


def settings_page() -> str:
    introduction = (
        "Environment variables, read when a command or the service starts. An empty one counts as unset; one that cannot be used "
        "is named with the reason. Paths are taken from the current folder, defaults from the folder of the project."
    )
    rows = [
        (code(variable(name, kind)), _default(field), _allowed(field), cell(field.description or ""))
        for kind in (Settings, AlertSettings)
        for name, field in kind.model_fields.items()
    ]
    return page("Settings", introduction, table(["variable", "default", "allowed", ""], rows))


def variable(name: str, kind: type[BaseSettings] = Settings) -> str:
    return f"{kind.model_config['env_prefix']}{name.upper()}"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Path):
        return code(str(value.relative_to(project_dir())))
    if isinstance(value, date):
        return code(f"{value:%Y-%m}")
    return code(str(value)) if value not in (None, "", {}, (), []) else ""


def _allowed(field: FieldInfo) -> str:
    kinds = [kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not NoneType]
    if get_origin(field.annotation) is Literal:
        return ", ".join(code(str(kind)) for kind in kinds)
    limits = [_limit(one) for one in field.metadata]
    return ", ".join(limit for limit in limits if limit)


def _limit(one: Any) -> str:
    """What a constraint of pydantic says, such as Ge(ge=1)."""
    said = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return ", ".join(f"{words} {getattr(one, name)}" for name, words in said.items() if hasattr(one, name))
