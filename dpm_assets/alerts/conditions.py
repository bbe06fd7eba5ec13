"""What an alert finds: a condition that holds now, whoever was told of it before."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import dagster as dg
import psycopg

Severity = Literal["warning", "error"]
State = Literal["on", "over", "undecided"]


@dataclass(frozen=True)
class Condition:
    """One thing that is wrong. Two looks at the same thing have the same `key`; `summary` is a sentence for people.

    `over`: it was wrong, and is over by the time it was seen; `occurrence` tells it from those that were told before.
    `undecided`: whether it is will be seen later; an open incident of it stays open, and none is opened.
    """

    alert: str
    key: str
    severity: Severity
    summary: str
    remedy: str
    details: dict[str, Any] = field(default_factory=dict)
    occurrence: str | None = None
    state: State = "on"


@dataclass(frozen=True)
class Look:
    """What an alert is judged by: the warehouse, Dagster's instance, the graph, and the time (UTC).

    `notes` takes sentences on what could not be judged and is nobody's fault, such as an extension that is not there.
    """

    conn: psycopg.Connection[Any]
    instance: dg.DagsterInstance
    repository: dg.RepositoryDefinition
    now: datetime
    notes: list[str] = field(default_factory=list)
