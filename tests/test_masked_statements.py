"""No value that anybody wrote into a statement comes into the log of statements, whichever way it was written."""

from collections.abc import Iterator

import pytest

from tests.interleaving import Connection, session

pytestmark = pytest.mark.sql


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with session(database_url, autocommit=True) as opened:
        # Once the server's statistics are full of other tests' statements, what ran once is evicted before it is looked at.
        opened.execute("select public.pg_stat_statements_reset()")
        opened.execute("select log_query_performance()")
        yield opened


SECRET = "s3cr3t"
LEAKS = [
    f"alter role {{role}} password '{SECRET}'",
    f"create temp table leak as select '{SECRET}' as kept",
    f"select '{SECRET}' as kept into temp leak_too",
    f"do $$ begin perform '{SECRET}'; end $$",
    f"select 1 /* {SECRET} */ as commented -- {SECRET}",
    f"set application_name = '{SECRET}'",
    f"values ('{SECRET}')",
    f"explain select '{SECRET}'",
    f"prepare leak_three as select '{SECRET}'",
]


def test_no_secret_comes_into_the_log_by_whichever_statement(conn: Connection) -> None:
    conn.execute("create role leaky")
    try:
        for statement in LEAKS:
            conn.execute(statement.format(role="leaky").encode())
        taken = conn.execute("select calls from log_query_performance(most => 100000)").fetchone()
        assert taken is not None and taken[0] > 0
        kept = conn.execute("select string_agg(query, chr(10)) from query_performance_log").fetchone()
        assert kept is not None
        assert SECRET not in kept[0] and "password" not in kept[0]
        assert "select ? as commented" in kept[0] and "values (?)" in kept[0]
    finally:
        conn.execute("drop role leaky")


def test_a_statement_that_ran_across_a_reset_keeps_no_value(conn: Connection) -> None:
    """PostgreSQL stores its text as it was written: it had taken the values out before the reset."""
    conn.execute(f"prepare across as select count(*) from raw_plans_data where plan_id <> '{SECRET}'".encode())
    conn.execute("execute across")
    conn.execute("select public.pg_stat_statements_reset()")
    conn.execute("execute across")
    stored = conn.execute(
        "select count(*) from public.pg_stat_statements where query like %s", [f"%{SECRET}%"]
    ).fetchone()
    conn.execute("select log_query_performance(most => 100000)")
    kept = conn.execute("select count(*) from query_performance_log where query like %s", [f"%{SECRET}%"]).fetchone()
    assert stored != (0,), "otherwise this test shows nothing"
    assert kept == (0,)


MASKED = [
    ("select 1", "select ?"),
    ("select 'it''s', e'a\\'b', 0x1F, 1.5e3", "select ?, ..."),
    ("select a1 from t_2024_01 where b = $1 and c=7", "select a1 from t_2024_01 where b = ? and c=?"),
    ("  /* why */ select\n\n  a -- 'x\n from t;", "select a from t"),
    ('select "it\'s" from t', None),
    ('select "a 1" from t where n in (1, 2,3)', 'select "a 1" from t where n in (?, ...)'),
    ("insert into t values (1, 'a'), (2, 'b'), (3, 'c')", "insert into t values (?, ...), ..."),
    ("with a as (select 'x' as b) select * from a", "with a as (select ? as b) select * from a"),
    ("select $q$secret$q$", None),
    ("select $$secret$$", None),
    ("select 'never closed", None),
    ("select /* a /* b */ secret */ 1", None),
    ("copy t from '/etc/passwd'", None),
    ("alter role a password 'x'", None),
    ("selective 1", None),
    ("(select 1) union (select 2)", "(select ?) union (select ?)"),
]


@pytest.mark.parametrize(("statement", "expected"), MASKED, ids=[statement for statement, _ in MASKED])
def test_values_are_taken_out_and_what_is_not_understood_is_left_out(
    conn: Connection, statement: str, expected: str | None
) -> None:
    row = conn.execute("select masked_statement(%s)", [statement]).fetchone()
    assert row == (expected,)
