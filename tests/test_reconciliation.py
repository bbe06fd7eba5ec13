"""v_metrics_reconciliation: exactly the account-days on which the metrics and the trades disagree, fresh at any moment."""

import json
import random
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from dpm_assets.definitions import defs
from dpm_assets.settings import settings, sql_dir
from tests.interleaving import Connection, session

pytestmark = pytest.mark.sql

ORACLE = (sql_dir() / "oracle" / "v_metrics_reconciliation.sql").read_bytes()
VIEW = "select account_id, date, only_in, differs from v_metrics_reconciliation"


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with session(database_url, autocommit=True) as opened:
        opened.execute("select ensure_trade_months('{2024-01-01,2024-02-01}'), ensure_metrics_years('{2023,2024}')")
        yield opened


def insert_trades(conn: Connection, account: str, day: str, *profits: str | None, commission: str = "0") -> None:
    for number, profit in enumerate(profits):
        conn.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, trade_date, profit, commission, lots, volume_usd)"
            " values (%s, %s, 'l', %s, %s, %s, 0.5, 100)",
            [f"{account}-{day}-{number}", account, day, profit, commission],
        )


def insert_metrics(conn: Connection, account: str, day: str, **figures: Any) -> None:
    names = ", ".join(figures)
    conn.execute(
        f"insert into raw_metrics_daily (account_id, login, date, {names})"
        f" values (%s, 'l', %s, {', '.join(['%s'] * len(figures))})".encode(),
        [account, day, *figures.values()],
    )


def found(conn: Connection) -> list[tuple[Any, ...]]:
    return [
        (account, str(day), only_in, differs)
        for account, day, only_in, differs in conn.execute(VIEW + " order by 1, 2")
    ]


AGREEING: dict[str, Any] = dict(
    net_profit="5.99", gross_profit="10", gross_loss="-4", total_trades=3, winning_trades=1, losing_trades=1,
    lots_traded="1.5", volume_traded="300",
)  # fmt: skip


def test_an_account_day_that_agrees_to_the_cent_is_not_shown(conn: Connection) -> None:
    insert_trades(conn, "a", "2024-01-10", "10", "-4", "0")
    conn.execute("update raw_trades_closed set swap = -0.01 where profit = 10")
    insert_metrics(conn, "a", "2024-01-10", **AGREEING)
    assert found(conn) == []


@pytest.mark.parametrize(
    ("figure", "other"),
    [
        ("net_profit", "6.00"), ("gross_profit", "10.01"), ("gross_loss", "-4.01"), ("total_trades", 4),
        ("winning_trades", 0), ("losing_trades", 2), ("lots_traded", "1.5001"), ("volume_traded", "299.99"),
    ],
)  # fmt: skip
def test_a_figure_that_differs_by_the_least_is_named_with_both_values(
    conn: Connection, figure: str, other: Any
) -> None:
    insert_trades(conn, "a", "2024-01-10", "10", "-4", "0")
    conn.execute("update raw_trades_closed set swap = -0.01 where profit = 10")
    insert_metrics(conn, "a", "2024-01-10", **{**AGREEING, figure: other})
    assert found(conn) == [("a", "2024-01-10", None, [figure])]
    row = conn.execute(f"select metrics_{figure}, trades_{figure} from v_metrics_reconciliation".encode()).fetchone()
    assert row and [float(value) for value in row] == [float(other), float(AGREEING[figure])]


def test_account_days_that_one_side_alone_has_are_shown(conn: Connection) -> None:
    insert_trades(conn, "a", "2024-01-10", "1")
    insert_metrics(conn, "b", "2024-01-11", net_profit="2")
    insert_metrics(conn, "c", "2024-01-12", net_profit="0", total_trades=0)
    assert found(conn) == [
        ("a", "2024-01-10", "trades", []),
        ("b", "2024-01-11", "metrics", ["net_profit"]),
    ]


def test_the_newest_metrics_count_and_an_empty_figure_claims_nothing(conn: Connection) -> None:
    insert_trades(conn, "a", "2024-01-10", "1")
    insert_metrics(conn, "a", "2024-01-10", net_profit="7", ingestion_timestamp="2024-01-11 01:00")
    insert_metrics(conn, "a", "2024-01-10", net_profit="1", ingestion_timestamp="2024-01-12 01:00")
    assert found(conn) == []


def test_the_view_is_right_before_and_after_a_refresh(conn: Connection) -> None:
    """Random histories, the oracle at each moment: all pending, nothing pending, some keys and some months pending."""
    rng = random.Random(7)
    days = ["2024-01-10", "2024-01-31", "2024-02-01", "2024-02-29"]

    def compare(moment: str) -> None:
        difference = conn.execute(
            b"((select account_id, date, only_in, differs::text[] from v_metrics_reconciliation) except all ("
            + ORACLE
            + b"))"
            b" union all (("
            + ORACLE
            + b") except all (select account_id, date, only_in, differs::text[] from v_metrics_reconciliation))"
        ).fetchall()
        assert difference == [], moment

    for account in map(str, range(20)):
        for day in days:
            profits = [rng.choice(["1", "-1", "0", "2.5", None]) for _ in range(rng.randrange(4))]
            insert_trades(conn, account, day, *profits, commission="-0.10")
            if rng.random() < 0.8:
                wins, losses = sum(p in ("1", "2.5") for p in profits), sum(p == "-1" for p in profits)
                insert_metrics(
                    conn, account, day, total_trades=len(profits), winning_trades=wins, losing_trades=losses,
                    net_profit=sum(float(p or 0) for p in profits) - 0.1 * len(profits) + rng.choice([0, 0, 0.01]),
                    gross_loss=-losses if rng.random() < 0.9 else None,
                )  # fmt: skip
    compare("everything is pending")
    assert len(found(conn)) > 20
    conn.execute("call refresh_warehouse()")
    compare("nothing is pending")
    conn.execute(
        "update raw_trades_closed set profit = profit + 1 where account_id in ('3', '7') and trade_date = '2024-01-31'"
    )
    conn.execute("delete from raw_trades_closed where account_id = '5'")
    compare("some account-days are pending")
    conn.execute("truncate raw_trades_closed_2024_02")
    insert_trades(conn, "9", "2024-02-01", "3")
    compare("a month is pending, and one of its account-days too")
    conn.execute("call refresh_warehouse()")
    compare("nothing is pending again")
    conn.execute("alter table raw_trades_closed detach partition raw_trades_closed_2024_01")
    compare("a month was detached")
    conn.execute("call refresh_warehouse()")
    conn.execute(
        "alter table raw_trades_closed attach partition raw_trades_closed_2024_01"
        " for values from ('2024-01-01') to ('2024-02-01')"
    )
    compare("a month was attached")


def test_one_account_and_one_month_read_no_more_than_theirs(conn: Connection) -> None:
    insert_trades(conn, "a", "2024-01-10", "1")
    conn.execute("call refresh_warehouse()")
    of_month = _plan(conn, "date >= '2024-01-01' and date < '2024-02-01'")
    relations = {node["Relation Name"] for node in of_month if "Relation Name" in node}
    assert {name for name in relations if name[-4:].isdigit() or name[-2:].isdigit()} <= {
        "raw_metrics_daily_2024", "rollup_account_symbol_day_2024_01", "raw_trades_closed_2024_01",
    }  # fmt: skip
    conn.execute("set enable_seqscan = off")
    of_account = _plan(conn, "account_id = 'a'")
    scans = [node for node in of_account if str(node.get("Relation Name", "")).startswith(("rollup", "raw_metrics"))]
    assert scans and all("account_id" in str(node.get("Index Cond", node.get("Recheck Cond"))) for node in scans)


def _plan(conn: Connection, condition: str) -> list[dict[str, Any]]:
    """The nodes of the plan."""
    row = conn.execute(f"explain (format json) {VIEW} where {condition}".encode()).fetchone()
    assert row is not None
    nodes, waiting = [], [(row[0] if isinstance(row[0], list) else json.loads(row[0]))[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        waiting += node.get("Plans", [])
    return nodes


def test_the_check_warns_with_counts_and_first_examples(
    conn: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DPM_DATABASE_URL", database_url)
    settings.cache_clear()
    insert_trades(conn, "a", "2024-01-10", "1", "2")
    assert _check().passed, "without metrics there is nothing to compare"
    insert_metrics(conn, "a", "2024-01-10", net_profit="3", total_trades=2)
    insert_metrics(conn, "b", "2024-01-10", net_profit="0")
    assert _check().passed
    insert_metrics(conn, "c", "2024-01-11", net_profit="4")
    insert_trades(conn, "b", "2024-01-10", "1")
    warned = _check()
    monkeypatch.undo()
    settings.cache_clear()
    assert not warned.passed and warned.severity is dg.AssetCheckSeverity.WARN
    metadata = {name: given.value for name, given in warned.metadata.items()}
    assert (metadata["account_days"], metadata["only_in_metrics"], metadata["compared"]) == (2, 1, 3)
    assert metadata["first"] == (
        "c 2024-01-11: only in the metrics\n"
        "b 2024-01-10: net_profit (net 0.00 in the metrics, 1.00 by the trades; None and 1 trades)"
    )


def _check() -> dg.AssetCheckEvaluation:
    result = defs.resolve_job_def("reconcile_metrics").execute_in_process()
    [evaluation] = result.get_asset_check_evaluations()
    return evaluation
