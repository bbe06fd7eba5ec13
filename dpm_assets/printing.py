"""Tables on a terminal, folded to its width, and in a file or for another program, whole."""

from rich.console import Console
from rich.table import Table


def print_whole(console: Console, shown: Table) -> None:
    """Print a table; without a terminal, as wide as it takes so that nothing of it is folded or cut."""
    if not console.is_terminal:
        console.width = console.measure(shown, options=console.options.update(max_width=100_000)).maximum
    console.print(shown)
