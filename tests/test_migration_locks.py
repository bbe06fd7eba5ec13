"""Sessions that hold the tables, commands at once, commands out of order: each waits, or says in a sentence what to do."""

import time
from collections.abc import Iterator

import pytest

from dpm_assets.server import EmbeddedServer
from tests.baselines import baseline
from tests.command_line import dpm
from tests.interleaving import session
from tests.migrated import misplaced
from tests.migrating import migrating
from tests.standing_copies import Command, copy_may_not_end_a_bite, let_it_go_on, standing_copy, wait_for_one_that_waits

pytestmark = pytest.mark.sql

T = "prop_trading_model.raw_trades_closed"
SECONDS = 60


@pytest.fixture
def url(server: EmbeddedServer) -> Iterator[str]:
    with baseline(server, rows=1_000) as url:
        yield url


@pytest.fixture
def copied(server: EmbeddedServer) -> Iterator[str]:
    with migrating(server, "start", rows=1_000) as url:
        yield url


def ends(url: str, command: str, code: int = 0) -> str:
    done = dpm(url, "migrate", *command.split())
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout + done.stderr


def kind(url: str) -> str:
    with session(url) as conn:
        row = conn.execute(f"select relkind::text from pg_class where oid = '{T}'::regclass".encode()).fetchone()
    assert row
    return str(row[0])


def test_a_reader_who_stays_is_named_by_the_cutover_which_changes_nothing_and_holds_nobody_up(copied: str) -> None:
    with session(copied) as reader, session(copied, autocommit=True) as other:
        reader.execute(f"select count(*) from {T}".encode())
        cutover = Command(copied, "cutover", "--patience", "3")
        while cutover.process.poll() is None:
            # Behind a waiting cutover this would queue: its lock gives up first.
            other.execute("set statement_timeout = '2s'")
            other.execute(f"update {T} set profit = 1 where account_id = 'a1'".encode())
        said = cutover.ends(2)
        assert str(reader.info.backend_pid) in said
        assert kind(copied) == "r"
        reader.rollback()
    ends(copied, "cutover")
    with session(copied) as conn:
        assert kind(copied) == "p" and not misplaced(conn)


def test_a_cutover_goes_through_as_soon_as_a_reader_who_stayed_is_gone(copied: str) -> None:
    with session(copied) as reader:
        reader.execute(f"select count(*) from {T}".encode())
        cutover = Command(copied, "cutover")
        wait_for_one_that_waits(copied, reader, cutover)
        reader.rollback()
        cutover.ends()
    assert kind(copied) == "p"


def test_a_rollback_goes_through_as_soon_as_a_reader_who_stayed_is_gone(copied: str) -> None:
    ends(copied, "cutover")
    with session(copied) as reader:
        reader.execute(f"select count(*) from {T}".encode())
        rollback = Command(copied, "rollback")
        wait_for_one_that_waits(copied, reader, rollback)
        reader.rollback()
        rollback.ends()
    assert kind(copied) == "r"


def test_two_starts_at_once_copy_everything_once(url: str) -> None:
    with copy_may_not_end_a_bite(url) as holder:
        first = Command(url, "start")
        wait_for_one_that_waits(url, holder, first)
        second = Command(url, "start")
        wait_until_both_stand(url, second)  # in a month of its own, since the first one's is taken
        let_it_go_on(holder)
        first.ends()
        second.ends()
    ends(url, "cutover")
    with session(url) as conn:
        assert not misplaced(conn)


def test_of_two_starts_from_nothing_one_does_it_and_the_other_says_so_or_helps(url: str) -> None:
    commands = [Command(url, "start"), Command(url, "start")]
    said = [command.process.communicate(timeout=120)[0] for command in commands]
    codes = sorted(command.process.returncode for command in commands)
    assert codes in ([0, 0], [0, 2]), said
    assert codes == [0, 0] or any("Another session" in text for text in said), said
    ends(url, "start")
    ends(url, "cutover")
    with session(url) as conn:
        assert not misplaced(conn)


def test_a_cutover_during_a_copy_waits_for_it_and_a_clean_is_refused(url: str) -> None:
    with standing_copy(url) as start:
        assert "start" in ends(url, "clean --abandon", 2)
        cutover = Command(url, "cutover")
        wait_until_both_stand(url, cutover)
        assert kind(url) == "r" and start.process.poll() is None
    cutover.ends()
    assert kind(url) == "p"


def wait_until_both_stand(url: str, command: Command) -> None:
    """The copy in its bite, and the command in another or before the first one's month."""
    waiting = "select count(*) from pg_stat_activity where wait_event = 'advisory' and datname = current_database()"
    give_up = time.monotonic() + SECONDS
    with session(url, autocommit=True) as observer:
        while observer.execute(waiting.encode()).fetchone() != (2,):
            assert time.monotonic() < give_up, "the two never stood at once"
            assert command.process.poll() is None, command.process.communicate()[0]
            time.sleep(0.02)


def test_the_steps_can_be_repeated_and_out_of_order_are_refused(url: str) -> None:
    for command in ("cutover", "rollback", "verify"):
        assert "dpm migrate start" in ends(url, command, 2)
    ends(url, "status")
    for command in ("start", "start", "verify", "cutover", "status", "verify", "start", "rollback", "status", "start"):
        ends(url, command)
    for command in ("cutover", "clean", "status"):
        ends(url, command)
    with session(url) as conn:
        assert conn.execute("select nspname from pg_namespace where nspname like 'prop_trading_model%'").fetchall() == [
            ("prop_trading_model",)
        ]
    ends(url, "rollback", 2)
    assert kind(url) == "p"


def test_ids_go_on_upwards_after_the_cutover_and_after_the_rollback(copied: str) -> None:
    insert = (
        f"insert into {T} (trade_id, account_id, login, close_time, trade_date) values (%s, 'a1', 'l',"
        " '2024-02-02 10:00', '2024-02-02') returning id::bigint"
    )
    with session(copied, autocommit=True) as conn:
        ids = [1_000]
        for commands in (("cutover",), ("rollback",), ("start", "cutover")):
            for command in commands:
                ends(copied, command)
            for _ in range(2):
                row = conn.execute(insert.encode(), [f"n{len(ids)}"]).fetchone()
                assert row
                ids.append(row[0])
        assert ids == sorted(set(ids))
        assert conn.execute(f"select count(*) - count(distinct id) from {T}".encode()).fetchone() == (0,)


def test_a_rolled_back_migration_can_be_cleaned_and_begun_anew(copied: str) -> None:
    for command in ("cutover", "rollback", "clean --abandon", "start", "cutover"):
        ends(copied, command)
    with session(copied) as conn:
        assert not misplaced(conn)


def test_plan_and_status_say_what_prepared_statements_must_do(url: str) -> None:
    said = " ".join(ends(url, "plan").split())
    assert "prepare" in said and "bigint" in said


def test_a_writer_who_stays_is_named_by_the_rollback_which_changes_nothing(copied: str) -> None:
    """It holds what its own change was brought over with: the rollback waits for that before it asks for the tables."""
    ends(copied, "cutover")
    with session(copied) as writer:
        writer.execute(f"update {T} set profit = 1 where account_id = 'a1'".encode())
        rollback = Command(copied, "rollback", "--patience", "2")
        try:
            assert str(writer.info.backend_pid) in rollback.ends(2)
        finally:
            rollback.kill()
        assert kind(copied) == "p"
        writer.rollback()
    ends(copied, "rollback")
    assert kind(copied) == "r"
