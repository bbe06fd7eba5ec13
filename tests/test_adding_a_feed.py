"""The page on adding a feed is followed to the letter: its table, its declaration, its file."""

import re
from pathlib import Path
from typing import Any

import pytest

from dpm_assets.database import Database
from dpm_assets.loads.feeds import FEEDS
from dpm_assets.loads.load import load_file
from tests.trade_rows import rows

PAGE = (Path(__file__).parent.parent / "docs" / "adding_a_feed.md").read_text(encoding="utf-8")


def shown(language: str) -> str:
    [block] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(block)


@pytest.fixture
def with_payouts(db: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    with db.connection(None) as conn:
        conn.execute(shown("sql").encode())
    declared: dict[str, Any] = {}
    exec(shown("python"), declared)
    monkeypatch.setitem(FEEDS, "payouts", declared["PAYOUTS"])
    return db


def test_a_feed_is_added_by_one_table_and_one_declaration(with_payouts: Database, tmp_path: Path) -> None:
    (tmp_path / "payouts.csv").write_text(shown("csv"), encoding="utf-8")
    result = load_file(with_payouts, tmp_path / "payouts.csv")
    assert (result.feed, result.rows_inserted, result.rows_updated, result.rows_rejected) == ("payouts", 1, 1, 2)
    assert [(line, reason) for line, reason in result.rejects] == list(
        zip((3, 4), shown("text").splitlines(), strict=True)
    )
    stored = rows(with_payouts, "select payout_id, amount::text, method, details from raw_payouts")
    assert stored == [("P1", "1450.00", "bank", None)]


def test_the_added_feed_takes_json_lines_too(with_payouts: Database, tmp_path: Path) -> None:
    line = '{"payoutId": "P9", "accountId": "A1", "amount": 10.005, "details": {"steps": [1, 2]}}\n'
    (tmp_path / "payouts.jsonl").write_text(line, encoding="utf-8")
    load_file(with_payouts, tmp_path / "payouts.jsonl")
    assert rows(with_payouts, "select amount::text, details from raw_payouts") == [("10.01", {"steps": [1, 2]})]
