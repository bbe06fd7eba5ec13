"""The pages of the documentation and their fenced blocks.

A block of `sh`, `sql` or `python` is run, in the order of its page, as a reader would run it: in one folder, against one
warehouse. A block of `text` right after it is what it prints; `...` there stands for anything. What cannot be run
carries `<!-- not run: the reason -->` in the line before; what ends otherwise than with 0, `<!-- exit code: 1 -->`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from dpm_assets.settings import project_dir

DOCS = project_dir() / "docs"
RUN = ("sh", "sql", "python")
SHOWN = ("text", "csv", "json", "yaml", "toml", "ini")

_FENCE = re.compile(r"^```")
_NOT_RUN = re.compile(r"^<!-- not run: (.+) -->$")
_EXIT_CODE = re.compile(r"^<!-- exit code: (\d+) -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is that of its opening fence, `prints` the text that the page says it prints."""

    page: str
    line: int
    language: str
    text: str
    not_run: str | None
    prints: str | None
    exit_code: int

    @property
    def is_run(self) -> bool:
        return self.language in RUN and self.not_run is None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> dict[str, str]:
    """Every page by its path from the project's folder."""
    files = [project_dir() / "README.md", *sorted(DOCS.rglob("*.md"))]
    return {str(file.relative_to(project_dir())): file.read_text(encoding="utf-8") for file in files}


def blocks(page: str, text: str) -> list[Block]:
    """The page's fenced blocks, in order. Raises ValueError for a fence that is not closed."""
    lines = text.splitlines()
    fences = [number for number, line in enumerate(lines) if _FENCE.match(line)]
    if len(fences) % 2:
        raise ValueError(f"{page}: the fence of line {fences[-1] + 1} is not closed")
    spans = list(zip(fences[::2], fences[1::2], strict=True))
    found = []
    for place, (begin, end) in enumerate(spans):
        above = lines[begin - 1] if begin else ""
        marker, ends = _NOT_RUN.match(above), _EXIT_CODE.match(above)
        printed = None
        if place + 1 < len(spans):
            next_begin, next_end = spans[place + 1]
            if lines[next_begin] == "```text" and not any(lines[end + 1 : next_begin]):
                printed = "\n".join(lines[next_begin + 1 : next_end])
        language, body = lines[begin].removeprefix("```"), "\n".join(lines[begin + 1 : end]) + "\n"
        not_run, exit_code = marker[1] if marker else None, int(ends[1]) if ends else 0
        found.append(Block(page, begin + 1, language, body, not_run, printed, exit_code))
    return found


def all_blocks() -> list[Block]:
    return [block for page, text in pages().items() for block in blocks(page, text)]


def shows(said: str, printed: str) -> bool:
    """Whether what a page says is what was printed: `...` stands for anything, blanks at the ends of lines do not count."""
    wanted, there = (
        "\n".join(line.rstrip() for line in text.strip("\n").splitlines()).strip() for text in (said, printed)
    )
    pattern = re.escape(wanted).replace(re.escape("..."), ".*?")
    return re.fullmatch(pattern, there, re.DOTALL) is not None


def relative(path: Path) -> str:
    return str(path.relative_to(DOCS))
