"""Samples: the same bytes for the same arguments, exact counts, and refusals that leave nothing behind."""

import errno
import os
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from dpm_assets.errors import DpmError
from dpm_assets.samples import SampleSummary, write_sample
from dpm_assets.samples import slices as slicing
from dpm_assets.samples.commands import sample as sample_command
from dpm_assets.samples.files import CsvFile
from tests.sample_files import START, TRADES, Row, contents, rows_of, write_two_months

pytestmark = pytest.mark.xdist_group("samples")

COLUMNS = (
    "trade_id,account_id,login,symbol,std_symbol,side,open_time,close_time,trade_date,open_price,close_price,stop_loss,"
    "take_profit,lots,volume_usd,profit,commission,swap,ingestion_timestamp,source_api_endpoint"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample")
    write_two_months(out)
    return out


@pytest.fixture(scope="module")
def trades(folder: Path) -> list[Row]:
    return rows_of(folder / "trades")


def test_the_same_arguments_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_two_months(tmp_path)
    assert contents(tmp_path) == contents(folder)


def test_the_bytes_are_the_same_on_every_machine(tmp_path: Path) -> None:
    """The digest changes only with the sample's own rules; elsewhere it must be what it is here."""
    write_sample(tmp_path, trades=20_000, months=3, seed=7, accounts=900, corrections=100, late=100)
    digest = sha256(b"".join(text for _, text in sorted(contents(tmp_path).items()))).hexdigest()
    assert digest == "db0cfec7ca245fc6bc709dab0525b32c36dcdb99a5a97e68e302b50c70f21328"


def test_corrections_and_late_trades_leave_the_trades_themselves_alone(folder: Path, tmp_path: Path) -> None:
    write_sample(tmp_path, trades=TRADES, months=2, start=START, seed=1)
    plain = contents(tmp_path)
    assert set(contents(folder)) - set(plain) == {"corrections/corrections_2024-01.csv", "late/late_2024-01.csv"}
    assert plain.items() <= contents(folder).items()


@pytest.mark.parametrize(("wanted", "months"), [(1, 1), (1, 12), (7, 1), (1_000, 3), (12_345, 2)])
def test_there_are_exactly_as_many_trades_as_asked_for(tmp_path: Path, wanted: int, months: int) -> None:
    told: list[int] = []
    summary = write_sample(tmp_path, trades=wanted, months=months, progress=told.append)
    rows = rows_of(tmp_path / "trades")
    assert len(rows) == len({row["trade_id"] for row in rows}) == wanted
    assert summary.trades == told[-1] == wanted
    assert summary.files == len(contents(tmp_path))
    assert summary.accounts == len(rows_of(tmp_path / "accounts"))
    assert summary.plans == len(rows_of(tmp_path / "plans")) == 12


def test_a_day_larger_than_a_slice_is_whole_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slicing, "SLICE_ROWS", 700)
    write_sample(tmp_path, trades=40_000, months=1, accounts=300)
    rows = rows_of(tmp_path / "trades")
    assert len({row["trade_id"] for row in rows}) == 40_000
    closes = [row["close_time"] for row in rows]
    assert closes == sorted(closes)


def test_a_large_month_is_cut_into_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpm_assets.samples.writing.FILE_ROWS", 1_500)
    monkeypatch.setattr(slicing, "SLICE_ROWS", 1_000)
    write_sample(tmp_path, trades=5_000, months=1)
    names = sorted(path.name for path in (tmp_path / "trades").iterdir())
    assert names == ["trades_2024-01.csv", "trades_2024-01_002.csv", "trades_2024-01_003.csv"]
    assert len(rows_of(tmp_path / "trades")) == 5_000


def test_files_are_by_month_in_order_of_close_under_the_columns_names(folder: Path, trades: list[Row]) -> None:
    assert sorted(path.name for path in (folder / "trades").iterdir()) == ["trades_2024-01.csv", "trades_2024-02.csv"]
    for path in (folder / "trades").iterdir():
        heading, *lines = path.read_text().splitlines()
        assert heading == COLUMNS
        assert {line.split(",")[8][:7] for line in lines} == {path.stem.removeprefix("trades_")}
    closes = [row["close_time"] for row in trades]
    assert closes == sorted(closes)


def test_ids_of_two_seeds_never_meet(folder: Path, trades: list[Row], tmp_path: Path) -> None:
    write_sample(tmp_path, trades=5_000, months=2, start=START, seed=2, late=500)
    others = rows_of(tmp_path / "trades") + rows_of(tmp_path / "late")
    assert not {row["trade_id"] for row in others} & {row["trade_id"] for row in trades}
    ours = {row["account_id"] for row in rows_of(folder / "accounts")}
    assert not {row["account_id"] for row in rows_of(tmp_path / "accounts")} & ours


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"trades": 0}, "at least 1"),
        ({"months": 0}, "at least 1"),
        ({"seed": -1}, "Choose one from 0"),
        ({"seed": 10**6}, "Choose one from 0"),
        ({"accounts": 0}, "Ask for 1 to"),
        ({"corrections": 101}, "Ask for 0 to 100"),
        ({"late": -1}, "0 or more"),
        ({"start": date(1960, 1, 1)}, "years 1971"),
        ({"months": 2_000}, "years 1971"),
        ({"trades": 900_000_000, "months": 1}, "Ask for more months"),
    ],
)
def test_arguments_out_of_range_are_refused_with_the_remedy(tmp_path: Path, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(DpmError, match=says):
        write_sample(tmp_path / "out", **{"trades": 100, "months": 1, **wrong})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["trades/mine.csv", "accounts/a.csv.part", "notes.txt"])
def test_a_folder_that_holds_files_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(DpmError, match=r"holds files already .*new or empty folder"):
        write_sample(tmp_path, trades=10, months=1)
    assert contents(tmp_path) == {name: b"mine"}


def test_empty_feed_folders_are_welcome(tmp_path: Path) -> None:
    (tmp_path / "trades").mkdir()
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "other.csv").write_text("another feed")
    assert isinstance(write_sample(tmp_path, trades=10, months=1), SampleSummary)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(DpmError, match=r"cannot be written to .*out.*Name a folder"):
        write_sample(tmp_path / "out", trades=10, months=1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DpmError, match="Name a folder that you may write to"):
        write_sample(tmp_path / "out", trades=10, months=1)


def fail_after(monkeypatch: pytest.MonkeyPatch, writes: int, error: BaseException) -> None:
    write = CsvFile.write
    left = [writes]

    def failing(self: CsvFile, heading: bytes, text: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise error
        write(self, heading, text)

    monkeypatch.setattr(CsvFile, "write", failing)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_after(monkeypatch, 2, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(DpmError, match=r"No space is left .* fewer trades"):
        write_sample(tmp_path, trades=1_000, months=3)
    assert contents(tmp_path) == {}


def test_an_interrupted_sample_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_after(monkeypatch, 2, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path, trades=1_000, months=3)
    assert contents(tmp_path) == {}


def test_the_command_writes_a_sample_and_says_what_it_wrote(tmp_path: Path) -> None:
    app = Typer()
    app.command()(sample_command)
    options = ["--trades", "500", "--months", "2", "--start", "2023-11", "--seed", "3", "--accounts", "40"]
    result = CliRunner().invoke(app, [*options, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "500 trades, 40 accounts and 12 plans in 4 files" in result.output
    assert {row["trade_date"][:7] for row in rows_of(tmp_path / "out" / "trades")} == {"2023-11", "2023-12"}
    bad = CliRunner().invoke(app, ["--start", "2023-13", "--out", str(tmp_path / "bad")])
    assert isinstance(bad.exception, DpmError)
    assert "2023-13" in str(bad.exception)
