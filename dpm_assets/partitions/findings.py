"""What is wrong with the partitions: the rows of check_partitions(), and running their remedies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.patience import run_patiently


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `remedy` is a statement to be run as it stands, or, `by_hand`, what a person has to do."""

    finding: str
    severity: str
    table: str
    object: str
    detail: str
    remedy: str
    by_hand: bool


def findings(db: Database, months_ahead: int) -> list[Finding]:
    """Everything that is wrong, errors first; empty when all is well."""
    with db.connection() as conn:
        return read_findings(conn, months_ahead)


def read_findings(conn: psycopg.Connection[Any], months_ahead: int) -> list[Finding]:
    rows = conn.execute("select * from prop_trading_model.check_partitions(%s)", [months_ahead]).fetchall()
    return [Finding(*row) for row in rows]


def remedies(found: Sequence[Finding]) -> list[str]:
    """The statements that remedy what needs no decision, each once, in the order of the findings."""
    return list(dict.fromkeys(finding.remedy for finding in found if not finding.by_hand))


def repair(db: Database, found: Sequence[Finding], say: Callable[[str], None]) -> list[str]:
    """Run the remedies, each in autocommit; returns those that failed, with the reason. What failed keeps nothing else back."""
    failed = []
    with db.connection("dpm_owner") as conn:
        for statement in remedies(found):
            say(statement)
            try:
                run_patiently(conn, statement)
            except (DpmError, psycopg.Error) as error:
                failed.append(f"{statement}: {' '.join(str(error).split())}")
    return failed
