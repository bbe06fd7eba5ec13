"""What is wrong with a file as a whole, and what is wrong with one of its rows."""

from dataclasses import dataclass

from dpm_assets.errors import DpmError


class FileRefused(DpmError):
    """The file itself is at fault: offered again unchanged, it would be refused again. Nothing of it was loaded."""


class FileMissing(FileRefused, FileNotFoundError):
    """There is no such file (any more): another load may have taken it from the landing folder."""


class FileChanged(FileRefused):
    """Somebody has written to the file, or put another in its place, while it was loaded: what is there now is another one."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that is not loaded: the line where it begins, why, and its text as it stands in the file.

    A `damaged` row holds bytes that are no text: the text shows them as \\x.. and cannot be loaded from there.
    """

    line: int
    reason: str
    raw_text: str
    damaged: bool = False
