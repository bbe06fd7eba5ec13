"""What the comparison rests on: the file of queries, equal answers, indexes that come back, honest reading of figures."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dpm_assets.bench import filling, rows, without_index
from dpm_assets.bench.agreement import answer, difference
from dpm_assets.bench.asking import Cell, ask_all, measure_query
from dpm_assets.bench.explaining import nodes, summary
from dpm_assets.bench.first_refresh import refresh_first
from dpm_assets.bench.given_sample import of_sample
from dpm_assets.bench.growth import exponent
from dpm_assets.bench.measuring import Times
from dpm_assets.bench.plan import make_plan
from dpm_assets.bench.queries import Query, Questions, performance_tests, questions, read_questions
from dpm_assets.bench.report_tables import with_spread
from dpm_assets.bench.store import Store, answers_so_far
from dpm_assets.bench.systems import BY_NAME, SYSTEMS, Connection, System, connected, drop, make, stop_after
from dpm_assets.bench.throughput import latencies, script_text
from dpm_assets.bench.without_index import ASKED, ask_without_index
from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.samples import write_sample
from dpm_assets.server import EmbeddedServer
from tests.schema_dump import apply

TRADES = 3_000


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench") / "sample"
    rows.prepare(make_plan(TRADES, sizes=(1_000,), months=8), folder, lambda _: None)
    return folder


@pytest.fixture(scope="module")
def filled(server: EmbeddedServer, sample: Path) -> Iterator[EmbeddedServer]:
    """The four systems with the same 3,000 trades, those with views refreshed."""
    for system in SYSTEMS:
        make(server, system)
        with connected(server, system) as conn, Database(server.url(system.database)) as db:
            filling.take_snapshots(conn, db, system, sample)
            for step, bulk in ((0, False), (1, True)):
                filling.take_trades(conn, db, system, rows.step_files(sample, step), bulk=bulk)
            if system.refresh:
                conn.execute(system.refresh)
    yield server
    for system in SYSTEMS:
        drop(server, system)


@pytest.mark.sql
@pytest.mark.parametrize(
    ("system", "falsified", "told"),
    [
        pytest.param(
            "v1",
            "update raw_trades_closed set profit = profit + 0.01 where id = (select max(id) from raw_trades_closed)",
            r"\w+ on v1 \(raw\): row \d+ is \(.*\) and should be \(",
            id="a_trade",
        ),
        pytest.param(
            "v2",
            "delete from raw_trades_closed where id = (select max(id) from raw_trades_closed)",
            r"\w+ on v2 \(raw\)",
            id="a_trade_missing",
        ),
        pytest.param(
            "production",
            "update rollup_account_month set net = net + 0.01",
            r"account_month on production \(rollups\): row 1 is",
            id="a_rollup",
        ),
    ],
)
def test_a_falsified_answer_ends_the_comparison(filled: EmbeddedServer, system: str, falsified: str, told: str) -> None:
    with connected(filled, BY_NAME[system]) as conn:
        conn.execute("begin")
        conn.execute(falsified)
        with connected(filled, BY_NAME["baseline"]) as original, pytest.raises(DpmError, match=told):
            ask_all(
                {"baseline": original, system: conn},
                {name: BY_NAME[name] for name in ("baseline", system)},
                rounds=1,
                seconds=0,
                longest=60,
                earlier=None,
                keep_plan=lambda name, plan: None,
            )
        conn.execute("rollback")


@pytest.mark.sql
def test_a_later_system_is_held_to_the_answers_of_the_one_before(filled: EmbeddedServer, tmp_path: Path) -> None:
    def alone(system: System, earlier: dict[str, Any] | None) -> dict[str, Any]:
        with connected(filled, system) as conn:
            return ask_all(
                {system.name: conn}, {system.name: system},
                rounds=1, seconds=0, longest=60, earlier=earlier, keep_plan=lambda name, plan: None,
            )  # fmt: skip

    store = Store(tmp_path)
    store.write("step_0/queries.baseline", alone(BY_NAME["baseline"], None))
    first = answers_so_far(store, 0)
    assert first is not None
    assert alone(BY_NAME["production"], first)["parameters"] == first["parameters"]
    first["answers"]["one_day"]["sha256"] = "another"
    first["answers"]["one_day"]["first_rows"][0][0] = "-1"
    with pytest.raises(DpmError, match="one_day on production"):
        alone(BY_NAME["production"], first)


@pytest.mark.sql
def test_the_original_is_asked_without_its_index_of_dates_which_stays(
    filled: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, plans = BY_NAME["baseline"], dict[str, Any]()

    def without(conn: Connection, earlier: dict[str, Any], longest: float) -> dict[str, Any]:
        return ask_without_index(
            conn, earlier, rounds=2, seconds=1, longest=longest, keep_plan=lambda name, plan: plans.update({name: plan})
        )

    with connected(filled, original) as conn:
        asked = ask_all(
            {"baseline": conn}, {"baseline": original},
            rounds=1, seconds=0, longest=60, earlier=None, keep_plan=lambda name, plan: plans.update({name: plan}),
        )  # fmt: skip
        assert "idx_raw_trades_closed_trade_date" in str(plans["baseline.one_day.raw"])
        answers = {name: one["answer"] for name, one in asked["queries"].items()}
        earlier = {"parameters": asked["parameters"], "answers": answers}
        found = without(conn, earlier, 60)
        assert list(found) == [query.name for query in questions().queries if query.name in ASKED] != []
        assert all(len(one["runs"]) == 2 for one in found.values())
        used = {node.get("Index Name") or "" for name in ASKED for node in nodes(plans[name]["Plan"])}
        assert not any("trade_date" in index for index in used), "PostgreSQL 18 skips through one of accounts and dates"
        assert conn.execute("select to_regclass('idx_raw_trades_closed_trade_date')").fetchone() != (None,)
        answers["one_day"]["sha256"] = "another"
        with pytest.raises(DpmError, match="Without its index of dates the original answers one_day differently"):
            without(conn, earlier, 60)
        slow = Query("one_day", frozenset(), "", {"raw": "select pg_sleep(20)"})
        monkeypatch.setattr(without_index, "questions", lambda: Questions((), (slow,)))
        assert without(conn, earlier, 0.2)["one_day"]["stopped"]


@pytest.mark.sql
@pytest.mark.parametrize("system", SYSTEMS[:3], ids=lambda system: system.name)
def test_a_bulk_load_leaves_the_keys_and_indexes_that_the_schema_has(
    filled: EmbeddedServer, server: EmbeddedServer, system: System
) -> None:
    def indexes(name: System) -> list[str]:
        with connected(server, name) as conn:
            return [
                row[0]
                for row in conn.execute(
                    "select regexp_replace(indexdef, ' ON ONLY ', ' ON ') from pg_indexes"
                    " where tablename = 'raw_trades_closed' order by 1"
                ).fetchall()
            ]

    empty = System("empty", "nothing in it", system.schema, system.forms)
    make(server, empty)
    try:
        assert indexes(system) == indexes(empty)
    finally:
        drop(server, empty)


@pytest.mark.sql
@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_psql_runs_the_same_file(filled: EmbeddedServer, system: System) -> None:
    said = apply(filled, filled.url(system.database), performance_tests())
    answered = sum(form in system.forms for query in questions().queries for form in query.forms)
    assert said.count("Time: ") >= answered


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("-- query: a [point]\n-- form: raw\nselect 1", "the last statement does not end"),
        ("-- query: a [point]\n-- form: views\nselect 1;", "the query a has no raw form"),
        ("-- form: raw\nselect 1;", "line 1: this form belongs to nothing"),
    ],
)
def test_a_file_of_queries_that_cannot_be_read_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "queries.sql").write_text(text)
    with pytest.raises(DpmError, match=told):
        read_questions(tmp_path / "queries.sql")


def test_the_sample_is_cut_where_the_steps_end(sample: Path) -> None:
    counts = []
    for step in (0, 1):
        texts = [b"".join(rows.text_of(path)) for path in rows.step_files(sample, step)]
        assert all(text.startswith(b"trade_id,") and text.endswith(b"\n") for text in texts)
        counts.append(sum(text.count(b"\n") - 1 for text in texts))
    assert counts == [1_000, TRADES - 1_000]


def test_answers_are_the_same_by_value_and_not_by_type() -> None:
    assert difference(answer([(2, "a", None)]), answer([(Decimal("2.00"), "a", None)])) is None
    assert difference(answer([(0,)]), answer([(Decimal("-0.00"),)])) is None
    assert difference(answer([(2,)]), answer([(Decimal("2.01"),)])) == "row 1 is (2.01) and should be (2)"
    assert difference(answer([(2,), (3,)]), answer([(2,)])) == "1 rows, and there should be 2"
    assert difference(answer([(1,)] * 300 + [(2,)]), answer([(1,)] * 301)) is not None


def test_a_plan_is_read_for_what_it_scanned() -> None:
    scan = {"Relation Name": "t_1", "Actual Rows": 5, "Rows Removed by Filter": 10, "Actual Loops": 2}
    never = {"Relation Name": "t_2", "Actual Rows": 0, "Actual Loops": 0}
    explained = {
        "Plan": {"Shared Hit Blocks": 7, "Shared Read Blocks": 1, "Plans": [{"Plans": [scan, never]}]},
        "Planning Time": 0.5,
        "Execution Time": 2.0,
    }
    found = summary(explained)
    assert (found["scanned"], found["rows_read"], found["buffers_hit"], found["buffers_read"]) == (1, 30, 7, 1)


def test_growth_is_the_exponent_of_a_power_law() -> None:
    assert exponent([1, 10, 100], [3, 30, 300]) == 1.0
    assert exponent([1, 4, 16], [5, 5, 5]) == 0.0
    assert exponent([1, 4, 16], [2, 4, 8]) == 0.5
    assert exponent([1, 10], [0, 5]) is None


def test_a_slow_query_is_timed_three_times_and_a_fast_one_as_often_as_asked() -> None:
    slow, fast = Times([6_000.0, 6_000.0]), Times([1.0] * 14)
    assert slow.wanted(15, 10) and not Times([6_000.0] * 3).wanted(15, 10)
    assert not Times([11_000.0]).wanted(15, 10)
    assert fast.wanted(15, 10) and not Times([1.0] * 15).wanted(15, 10)


def test_pgbench_draws_another_account_each_time() -> None:
    text = script_text("select :'account', :'day'::date", {"account": "A001000042"}, accounts=500)
    assert text == "\\set n random(0, 499)\nselect ('A001' || lpad(:n::text, 6, '0')), :day::date;\n"


def test_latencies_come_out_of_the_logs_of_every_thread(tmp_path: Path) -> None:
    (tmp_path / "log.1").write_text("0 0 1000 0 12 0\n0 1 2000 1 13 0\n")
    (tmp_path / "log.1.1").write_text("1 0 3000 0 14 3000\n2 0 900000 0 10 900000\n")
    found = latencies(tmp_path, ["one", "other"], warm_up=1.5)  # from 10.0 on
    assert found is not None and found["per_second"] == round(3 / (14.003 - 11.5), 1)
    assert (found["transactions"], found["p50_ms"]) == (3, 2.0)
    assert latencies(tmp_path, ["one", "other"], warm_up=9) is None
    assert found["queries"]["other"] == {"transactions": 1, "p50_ms": 2.0, "p95_ms": 2.0, "p99_ms": 2.0}


@pytest.mark.sql
def test_a_query_that_takes_too_long_is_stopped_and_said_to_take_more(filled: EmbeddedServer) -> None:
    slow = Query("slow", frozenset(), "", {"raw": "select pg_sleep(300)", "views": "select 1"})
    kept: dict[str, Any] = {}
    with connected(filled, BY_NAME["v2"]) as conn:
        stop_after(conn, 0.5)
        cells = [Cell(BY_NAME["v2"], form, slow.forms[form].encode(), conn, {}) for form in ("raw", "views")]
        found = measure_query(
            slow, cells, rounds=2, seconds=1, longest=0.5, expected=None, keep_plan=kept.__setitem__
        )  # fmt: skip
    assert found["answer"] == answer([(1,)])
    stopped = found["systems"]["v2"]["raw"]
    assert (stopped["stopped"], stopped["median"], stopped["runs"], stopped["plan"]) == (True, 500.0, [], None)
    assert with_spread(stopped) == "> 500"
    assert len(found["systems"]["v2"]["views"]["runs"]) == 2
    assert set(kept) == {"v2.slow.raw", "v2.slow.views"}


@pytest.mark.sql
def test_views_that_are_not_made_in_time_are_not_asked_and_not_tried_again(filled: EmbeddedServer) -> None:
    slow = System("v2", "", "", ("views", "raw"), first_refresh=("select pg_sleep(300)",))
    with connected(filled, BY_NAME["v2"]) as conn:
        assert refresh_first(conn, slow, 1.0, stopped_before=False) == {"refresh_seconds": 1.0, "refresh_stopped": True}
        assert refresh_first(conn, slow, 1.0, stopped_before=True)["refresh_seconds"] is None
        assert conn.execute("show statement_timeout").fetchone() == ("0",)


def test_the_first_trades_of_a_sample_that_is_there_are_taken(tmp_path: Path) -> None:
    write_sample(tmp_path / "given", trades=2_000, months=9, start=date(2024, 3, 1), seed=40)
    plan = of_sample(make_plan(1_200, sizes=(1_000,), months=8), tmp_path / "given")
    assert (plan.start, plan.months, plan.seed) == (date(2024, 3, 1), 9, 40)
    rows.prepare(plan, tmp_path / "taken", lambda _: None)
    taken = [
        line
        for step in (0, 1)
        for path in rows.step_files(tmp_path / "taken", step)
        for line in b"".join(rows.text_of(path)).splitlines()[1:]
    ]
    given = [
        line
        for path in sorted((tmp_path / "given" / "trades").glob("*.csv"))
        for line in path.read_bytes().splitlines()[1:]
    ]
    assert len(given) == 2_000 and taken == given[:1_200]
    with pytest.raises(DpmError, match="has 2,000 trades"):
        rows.prepare(of_sample(make_plan(3_000, months=8), tmp_path / "given"), tmp_path / "more", lambda _: None)


def test_a_folder_that_holds_another_thing_is_no_sample(tmp_path: Path) -> None:
    plan = make_plan(1_000, months=8)
    with pytest.raises(DpmError, match="holds no sample"):
        of_sample(plan, tmp_path)
    for feed in ("accounts", "plans", "trades"):
        (tmp_path / feed).mkdir()
        (tmp_path / feed / f"{feed}_2024-01.csv").write_text("trade_id,account_id,login,symbol\n17,A17,1,EURUSD\n")
    with pytest.raises(DpmError, match="was not written by dpm sample"):
        of_sample(plan, tmp_path)
