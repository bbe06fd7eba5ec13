"""What is printed: tables whole or folded, and nothing of a file that a terminal would take for a command.

File names, cells and reasons come from outside. An escape sequence in one could recolour, retitle or rewrite the terminal, and a
bidirectional override show a name backwards; they are shown as \\x1b and \\u202e. Square brackets are no markup, but text.
"""

import re
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Control characters, marks that turn the direction of text around, separators of lines that are none, halves of characters.
_INVISIBLE = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_TEXT = re.compile(f"[{_INVISIBLE}]")
_IN_A_LINE = re.compile(f"[\t\n{_INVISIBLE}]")


class Terminal(Console):
    """A console that shows text as it is: no markup unless asked for, no highlighting, no control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, **options})

    def render_str(self, text: str, *args: Any, **options: Any) -> Text:
        return super().render_str(visible(text), *args, **options)


def visible(text: str) -> str:
    r"""The text with every character that a terminal obeys instead of showing it written as \x1b; tabs and line breaks stay."""
    return _IN_TEXT.sub(_escaped, text)


def in_one_line(text: str) -> str:
    r"""The same with tabs and line breaks written as \t and \n: a name in a sentence, or in a log."""
    return _IN_A_LINE.sub(_escaped, text)


def _escaped(found: "re.Match[str]") -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def print_whole(console: Console, shown: Table) -> None:
    """Print a table; without a terminal, as wide as it takes so that nothing of it is folded or cut."""
    if not console.is_terminal:
        console.width = console.measure(shown, options=console.options.update(max_width=100_000)).maximum
    console.print(shown)
