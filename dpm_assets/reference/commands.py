"""The page of `dpm`: every command with its arguments, options and defaults, as the program itself has them."""

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from typer.main import get_command

from dpm_assets.cli import app
from dpm_assets.reference.markdown import cell, code, page, table

_PLACEHOLDERS = {str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "PATH"}


def commands_page() -> str:
    introduction = (
        "`dpm COMMAND --help` says the same. Exit code 0: done; 1: done, and something was found or refused; 2: it could not be "
        "done, and one sentence says what to mend. The database is `DPM_DATABASE_URL`, or the embedded server "
        "([settings](settings.md))."
    )
    return page("Commands", introduction, *(_section(name, command) for name, command in commands()))


def commands() -> Iterator[tuple[str, Any]]:
    """Each command that does something, by its whole name (`dpm loads undo`), with what typer has made of it."""
    yield from _below("dpm", get_command(app))


def parameters(command: Any) -> list[Any]:
    """What is written after the command, in order: arguments, then options."""
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    return sorted(shown, key=lambda parameter: parameter.opts[0].startswith("-"))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, one in inner.items():
        yield from _below(f"{name} {word}", one)


def _section(name: str, command: Any) -> str:
    hints = get_type_hints(command.callback)
    rows = [
        (code(_written(parameter, hints.get(parameter.name, str))), _default(parameter), cell(parameter.help or ""))
        for parameter in parameters(command)
    ]
    parts = [f"## {name}", cell(command.help or ""), table(["", "default", ""], rows)]
    return "\n\n".join(part for part in parts if part)


def _written(parameter: Any, hint: Any) -> str:
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    if not parameter.opts[0].startswith("-"):
        return str(parameter.metavar or parameter.opts[0].upper() + ("..." if parameter.nargs == -1 else ""))
    value = "" if parameter.is_flag or hint is bool else f" {parameter.metavar or _placeholder(hint)}"
    return names + value


def _placeholder(hint: Any) -> str:
    if get_origin(hint) is not None:
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " or ".join(str(member.value) for member in hint)
    return _PLACEHOLDERS.get(hint, "TEXT")


def _default(parameter: Any) -> str:
    value = parameter.default
    if parameter.required:
        return "needed"
    if value is None or value is False or value in ([], (), "") or callable(value):
        return ""
    return code(str(value.value if isinstance(value, Enum) else value))
