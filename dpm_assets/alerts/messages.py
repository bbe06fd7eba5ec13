"""A message of an incident, and how each channel writes it down."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Event = Literal["opened", "worsened", "resolved", "test"]

_BEGINS = {"opened": "{severity}", "worsened": "now an error", "resolved": "over", "test": "test"}


@dataclass(frozen=True)
class Message:
    """What a channel is told. `id` is the same however often it is sent: a receiver that has it already drops it."""

    incident: UUID
    event: Event
    alert: str
    severity: str
    summary: str
    remedy: str
    details: dict[str, Any]
    opened_at: datetime
    resolved_at: datetime | None = None

    @property
    def id(self) -> str:
        return f"{self.incident}-{self.event}"

    @property
    def headline(self) -> str:
        """One line: what became of what."""
        begins = _BEGINS[self.event].format(severity=self.severity)
        return " ".join(f"[{begins}] {self.summary}".split())

    @property
    def text(self) -> str:
        """The headline, and what to do or how long it was."""
        if self.resolved_at is None:
            return f"{self.headline}\n{self.remedy}"
        minutes = (self.resolved_at - self.opened_at).total_seconds() / 60
        return f"{self.headline}\nIt was open for {minutes:,.0f} minutes, since {self.opened_at:%Y-%m-%d %H:%M} UTC."

    def as_json(self) -> str:
        """One line. `text` stands by itself, for chat services, which show that field."""
        return json.dumps(
            {
                "id": self.id,
                "incident": str(self.incident),
                "event": self.event,
                "alert": self.alert,
                "severity": self.severity,
                "text": self.text,
                "summary": self.summary,
                "remedy": self.remedy,
                "details": self.details,
                "opened_at": self.opened_at.isoformat(),
                "resolved_at": self.resolved_at.isoformat() if self.resolved_at else None,
            },
            ensure_ascii=False,
        )
