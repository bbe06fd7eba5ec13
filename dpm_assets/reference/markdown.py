"""Tables and cells of the pages."""

from collections.abc import Iterable, Sequence

WRITTEN_BY = "<!-- Written by `make docs`; not by hand. -->"


def page(title: str, introduction: str, *sections: str) -> str:
    return "\n\n".join([f"# {title}", WRITTEN_BY, introduction, *(section for section in sections if section)]) + "\n"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are Markdown already; nothing when it has no rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(titles)} |", "|" + "---|" * len(titles), *lines]) if lines else ""


def cell(text: str) -> str:
    """Plain text as it stands, in a cell or a line of its own."""
    plain = " ".join(text.split())
    for sign in ("\\", "|", "*", "<", "[", "`"):
        plain = plain.replace(sign, "\\" + sign)
    return plain


def code(text: str) -> str:
    return f"`{' '.join(text.split()).replace('|', chr(92) + '|')}`" if text else ""
