"""The rejects of a load on their way to `load_rejects`, spooled so that memory stays bounded; and their limit."""

import itertools
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

from dpm_assets.errors import DpmError
from dpm_assets.loads.faults import Reject

LIMIT_APPLIES_FROM = 1_000
LISTED_WHEN_REFUSED = 1_000
FIRST_FEW = 10

_IN_MEMORY = 4 * 1024 * 1024
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True)
class RejectLimit:
    """How many rejects a file may have, as a share of its rows or as a count, from 1,000 rows on."""

    share: float | None
    count: int | None

    @classmethod
    def parse(cls, limit: "str | int | RejectLimit") -> "RejectLimit":
        """'10%' or '500'. Raises DpmError for anything else."""
        if isinstance(limit, RejectLimit):
            return limit
        match = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*%|(\d{1,18})", str(limit).strip())
        if not match or (match[1] and float(match[1]) > 100):
            raise DpmError(f"{str(limit)!r} is no limit of rejects. Write a share such as 10%, or a count such as 500.")
        return cls(float(match[1]) / 100, None) if match[1] else cls(None, int(match[2]))

    def exceeded(self, rejected: int, rows_read: int) -> bool:
        if rows_read < LIMIT_APPLIES_FROM:
            return False
        return rejected > (self.count if self.count is not None else (self.share or 0) * rows_read)

    def __str__(self) -> str:
        return f"{self.count:,}" if self.count is not None else f"{(self.share or 0) * 100:g}%"


class Rejects:
    """Keeps rejects as text for COPY, on disk when they are many. Use as a context manager."""

    def __init__(self, batch_id: int) -> None:
        self.batch_id = batch_id
        self._spool = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  closed by close()
        self.count = 0
        self.first: list[Reject] = []

    def __enter__(self) -> "Rejects":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._spool.close()

    def add(self, rejects: Iterable[Reject]) -> None:
        """Raises DpmError when there is no room for them on this machine."""
        try:
            self._spool.writelines(map(self._line, rejects))
        except OSError as error:
            raise DpmError(
                f"{self.count:,} rejected rows could not be set aside in {tempfile.gettempdir()}: {error.strerror}. "
                "Nothing was loaded. Free space there, or set TMPDIR to a folder that has some, and load it again."
            ) from error

    def _line(self, reject: Reject) -> bytes:
        self.count += 1
        if self.count <= FIRST_FEW:
            self.first.append(reject)
        fields = (str(self.batch_id), str(reject.line), reject.reason, reject.raw_text, "ft"[reject.damaged])
        return ("\t".join(text.translate(_ESCAPES) for text in fields) + "\n").encode()

    def for_copy(self, most: int | None = None) -> Iterator[bytes]:
        """Lines for COPY load_rejects (batch_id, line, reason, raw_text, damaged), `most` of them at most."""
        self._spool.seek(0)
        return itertools.islice(self._spool, most)
