"""Each guard of the archive that lives in the database, a way to switch it off there, and the test that must fail then."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests import test_cold_faults, test_cold_months, test_cold_years
from tests.cold import LATE_TRADE
from tests.interleaving import Connection
from tests.switching_off import edit, empty

_NOT_REFUSED = "DID NOT RAISE|Regex pattern did not match"
"""What a test says that expects a refusal, when there is none, or another guard behind this one refuses."""


@dataclass(frozen=True)
class ColdMutation:
    """A guard that is switched off, and what the test that guards it says then (a pattern). `given` are its parameters."""

    name: str
    switch_off: Callable[[Connection], Any]
    guard: Callable[..., None]
    says: str = _NOT_REFUSED
    given: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name.replace(" ", "_")


def _emptied(function: str, returns: str = "void", body: str = "begin return; end") -> Callable[[Connection], None]:
    return lambda conn: empty(conn, function, returns, body)


def _edited(function: str, part: str, instead: str) -> Callable[[Connection], None]:
    return lambda conn: edit(conn, function, part, instead)


def _take_cold_keys(conn: Connection) -> None:
    edit(conn, "take_keys(bigint, date[])", "s.state <> 'hot'", "false")
    edit(conn, "refresh_bite(bigint, date[], text, boolean)", "s.state <> 'hot'", "false")


def _mark_the_detach(conn: Connection) -> None:
    """Each of the two would be enough."""
    edit(conn, "changed_leaves()", "s.state <> 'hot'", "false")
    edit(conn, "mark_months(date, date, text)", "where state <> 'hot'", "where false")


COLD_MUTATIONS = (
    ColdMutation(
        "the refusal while keys are pending",
        _emptied("refuse_pending(record)"),
        test_cold_months.test_a_month_with_pending_keys_is_refused,
    ),
    ColdMutation(
        "the refusal while a refresh runs",
        _emptied("refuse_refresh(record)"),
        test_cold_months.test_a_month_is_refused_while_a_refresh_runs,
    ),
    ColdMutation(
        "the lock that waits for writers before keys are counted",
        _emptied("lock_out_writers(record)"),
        test_cold_faults.test_a_writer_who_has_not_committed_keeps_the_month_hot,
    ),
    ColdMutation(
        "the comparison of rollups and file",
        _emptied("archive_agrees(regclass, date)", "boolean", "begin return true; end"),
        test_cold_months.test_a_month_whose_rollups_are_wrong_is_refused,
    ),
    ColdMutation(
        "the demand for a verified file before a table is dropped",
        _edited("finish_archive(regclass, date)", "if attached <> 'no' or not exists (", "if false and not exists ("),
        test_cold_months.test_a_table_is_not_dropped_while_it_is_attached_or_without_a_verified_file,
    ),
    ColdMutation(
        "the triggers that refuse writes while the file is made",
        _emptied("refuse_archived_write()", "trigger", "begin return coalesce(new, old); end"),
        test_cold_faults.test_a_writer_into_a_month_that_is_being_archived_is_refused,
        given={"statement": LATE_TRADE},
    ),
    ColdMutation(
        "the refusal to make a partition for a cold month",
        _emptied("require_hot(regclass, date)"),
        test_cold_months.test_a_cold_month_gets_no_partition,
    ),
    ColdMutation(
        "leaving the keys and marks of a cold month in the log",
        _take_cold_keys,
        test_cold_months.test_refresh_and_rebuild_leave_a_cold_month_and_say_so,
        "assert",
    ),
    ColdMutation(
        "taking the detach of an archived month for no change",
        _mark_the_detach,
        test_cold_months.test_a_refresh_between_detach_and_drop_takes_nothing,
        "assert",
    ),
    ColdMutation(
        "marking no cold month",
        _edited("mark_months(date, date, text)", "where state <> 'hot'", "where false"),
        test_cold_months.test_a_leaf_without_a_lower_bound_marks_no_cold_month,
        "assert",
    ),
    ColdMutation(
        "telling a cold year from its January",
        lambda conn: conn.execute(
            "create or replace view month_state as select lower as month, state, location, changed_at from partition_state"
        ),
        test_cold_years.test_a_cold_year_and_its_january_are_two_things,
        "assert",
    ),
)
