"""Times without a zone are read in their feed's, and its trading day begins when the settings say, in every format."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.feeds import FEEDS
from dpm_assets.loads.load import load_file
from dpm_assets.settings import settings
from tests.feed_rows import ROWS
from tests.file_formats import FORMATS
from tests.trade_rows import rows, trade, write


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A broker at UTC+2 in winter and UTC+3 in summer, whose trading day begins at 01:00."""
    monkeypatch.setenv("DPM_FEED_TIMEZONES", "trades=Europe/Athens, open_trades=Europe/Athens")
    monkeypatch.setenv("DPM_FEED_DAY_CUTOFFS", "trades=01:00")
    settings.cache_clear()
    yield monkeypatch
    settings.cache_clear()


# Written, stored, trading day. In 2025 clocks in Athens skip 30 March 03:00 to 04:00 and show 26 October 03:00 to 04:00 twice.
EDGES = [
    ("2025-01-15 00:30:00", datetime(2025, 1, 14, 22, 30), date(2025, 1, 14)),
    ("2025-01-15 01:00:00", datetime(2025, 1, 14, 23, 0), date(2025, 1, 15)),
    ("2025-03-30 02:59:59", datetime(2025, 3, 30, 0, 59, 59), date(2025, 3, 30)),
    ("2025-03-30 04:00:00", datetime(2025, 3, 30, 1, 0), date(2025, 3, 30)),
    ("2025-07-15 00:59:59", datetime(2025, 7, 14, 21, 59, 59), date(2025, 7, 14)),
    ("2025-07-15 01:00:00", datetime(2025, 7, 14, 22, 0), date(2025, 7, 15)),
    ("2025-10-26 02:59:59", datetime(2025, 10, 25, 23, 59, 59), date(2025, 10, 26)),
    ("2025-10-26 03:30:00", datetime(2025, 10, 26, 0, 30), date(2025, 10, 26)),
    ("2025-10-26 04:00:00", datetime(2025, 10, 26, 2, 0), date(2025, 10, 26)),
]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_feeds_zone_and_cut_off_hold_in_every_format(
    db: Database, tmp_path: Path, broker: pytest.MonkeyPatch, suffix: str
) -> None:
    given = [
        ROWS["trades"][0] | {"trade_id": f"T{n}", "open_time": "", "close_time": written, "trade_date": ""}
        for n, (written, _, _) in enumerate(EDGES)
    ]
    load_file(db, FORMATS[suffix](tmp_path / "t", FEEDS["trades"], given))
    assert rows(db, "select close_time, trade_date from raw_trades_closed order by trade_id") == [
        (stored, day) for _, stored, day in EDGES
    ]


def test_a_time_that_the_clocks_skip_is_a_reject_and_a_zone_of_its_own_counts_more(
    db: Database, tmp_path: Path, broker: pytest.MonkeyPatch
) -> None:
    given = [
        trade("T1", open_time="", close_time="2025-03-30 03:30:00"),
        trade("T2", open_time="", close_time="2025-10-26T03:30:00+02:00"),
        trade("T3", open_time="", close_time="2025-10-26 03:30:00"),
    ]
    result = load_file(db, write(tmp_path / "t.csv", *given))
    [(line, reason)] = result.rejects
    assert line == 2 and reason.endswith("from the year 1900 on, and one that clocks in Europe/Athens show")
    assert rows(db, "select trade_id, close_time from raw_trades_closed order by trade_id") == [
        ("T2", datetime(2025, 10, 26, 1, 30)), ("T3", datetime(2025, 10, 26, 0, 30)),
    ]  # fmt: skip


def test_other_feeds_stay_in_utc(db: Database, tmp_path: Path, broker: pytest.MonkeyPatch) -> None:
    load_file(db, FORMATS["csv"](tmp_path / "a", FEEDS["accounts"], ROWS["accounts"]))
    assert rows(db, "select distinct created_at from raw_accounts_data") == [(datetime(2025, 1, 1),)]


@pytest.mark.parametrize(
    ("setting", "text", "said"),
    [
        ("DPM_FEED_TIMEZONES", "trades=Atlantis/Center", "there is no time zone 'Atlantis/Center'"),
        ("DPM_FEED_TIMEZONES", "Europe/Athens", "'Europe/Athens' is not written as feed=value"),
        ("DPM_FEED_DAY_CUTOFFS", "trades=25:00", "'25:00' is no time of day, write one such as 01:00"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(broker: pytest.MonkeyPatch, setting: str, text: str, said: str) -> None:
    broker.setenv(setting, text)
    with pytest.raises(DpmError) as error:
        settings()
    assert f"The setting {setting} cannot be used" in str(error.value) and said in str(error.value)


def test_a_setting_for_a_feed_that_there_is_not_is_said(
    db: Database, tmp_path: Path, broker: pytest.MonkeyPatch
) -> None:
    broker.setenv("DPM_FEED_TIMEZONES", "deals=Europe/Athens")
    with pytest.raises(DpmError, match=r"There is no feed 'deals'\. The feeds are trades"):
        load_file(db, write(tmp_path / "t.csv", trade("T1")))
