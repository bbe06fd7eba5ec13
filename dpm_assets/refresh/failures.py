"""A refresh that fails leaves a row in pipeline_execution_log, where `dpm status` finds it: its transaction leaves nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone

import psycopg

from dpm_assets.database import Database
from dpm_assets.errors import DpmError

STAGE = "refresh_materialized_views"

DISAGREE = "the rollups disagree in "
"""The note of a refresh that left the views as they were; its months follow, as '2024-01, 2024-02'."""

# Lost connections and shutdowns: there is nobody to take the note, and the next refresh goes on by itself.
_GONE = ("08", "57P")


@contextmanager
def failure_noted(db: Database) -> Iterator[Callable[[str], None]]:
    """Note an error of PostgreSQL that ends the refresh in here, by its message alone, which holds no row; then raise it on.

    Gives what notes another reason for which the refresh fails.
    """
    began = datetime.now(timezone.utc).replace(tzinfo=None)

    def note(message: str) -> None:
        with suppress(psycopg.Error, DpmError):
            _note(db, began, message)

    try:
        yield note
    except psycopg.Error as error:
        if error.sqlstate and not error.sqlstate.startswith(_GONE):
            note(error.diag.message_primary or type(error).__name__)
        raise


def _note(db: Database, began: datetime, message: str) -> None:
    with db.connection("dpm_refresher") as conn:
        conn.execute(
            "insert into prop_trading_model.pipeline_execution_log"
            " (pipeline_stage, execution_date, start_time, end_time, status, error_message)"
            " values (%s, prop_trading_model.utc_today(), %s, clock_timestamp() at time zone 'utc', 'failed', %s)",
            [STAGE, began, message],
        )
