"""What a load answers."""

from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, Literal

from dpm_assets.loads.source import Source

Status = Literal["loaded", "already loaded", "refused"]


@dataclass(frozen=True)
class LoadResult:
    """One file's load. rows_read = rows_inserted + rows_updated + rows_duplicate + rows_rejected when it was loaded.

    `rows_removed` were in the table and, by what the file covers, should not be: busted trades, closed positions;
    `rows_written` bear the batch's id now. `months` are the months of trades that it changed; `rejects` the first few, as
    (line, reason): all of them stand in `load_rejects` under the batch. `path_taken` says how the rows went in,
    `options` what was asked for beside the file.
    """

    batch_id: int
    file: str
    feed: str
    status: Status
    rows_read: int = 0
    rows_inserted: int = 0
    rows_updated: int = 0
    rows_duplicate: int = 0
    rows_rejected: int = 0
    rows_removed: int = 0
    rows_written: int = 0
    months: list[date] = field(default_factory=list)
    seconds: float = 0.0
    rejects: list[tuple[int, str]] = field(default_factory=list)
    message: str = ""
    path_taken: str = ""
    options: list[str] = field(default_factory=list)
    source: Source | None = field(default=None, repr=False, compare=False)  # the very file that this is about

    @property
    def rows_per_second(self) -> float:
        return round(self.rows_read / self.seconds, 1) if self.seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "source"}
        return plain | {
            "rows_per_second": self.rows_per_second,
            "months": [month.isoformat() for month in self.months],
            "rejects": [{"line": line, "reason": reason} for line, reason in self.rejects],
        }
