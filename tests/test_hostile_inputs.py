"""What is made to do harm gets the answer that docs/security.md gives it, does none, and is shown as it is."""

import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.landing import scan, settle
from dpm_assets.loads.result import LoadResult
from dpm_assets.loads.source import look_at
from dpm_assets.loads.waiting import load_waiting
from dpm_assets.printing import in_one_line
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import project_dir, settings
from tests.command_line import Ended, dpm
from tests.conftest import fresh_database
from tests.hostile_answers import empty, exported, loaded, of_file, stored, told
from tests.hostile_inputs import BOMBS, DOCS, INPUTS, Hostile, written_into
from tests.places import open_folder
from tests.trade_rows import trade, value, write

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
MEMORY = 350 * 1024 * 1024

Answers = dict[str, tuple[str, int]]


@pytest.fixture(scope="module")
def one_warehouse(server: EmbeddedServer, template: str) -> Iterator[Database]:
    """One for all inputs, since there are many; emptied before each."""
    with fresh_database(server, template) as url, Database(url, application_name="tests") as opened:
        yield opened


@pytest.fixture
def emptied(one_warehouse: Database) -> Database:
    empty(one_warehouse)
    return one_warehouse


@pytest.fixture(scope="module")
def bombs(one_warehouse: Database) -> Answers:
    """The answer to each bomb, and the most memory that their loader has taken until then; one process loads them all."""
    with open_folder("bombs") as folder:
        paths = []
        for number, hostile in enumerate(BOMBS):
            (folder / str(number)).mkdir()
            paths.append(str(hostile.make(folder / str(number))))
        loader = [sys.executable, "-m", "tests.hostile_answers", one_warehouse.url, *paths]
        run = subprocess.run(loader, cwd=project_dir(), capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    return {hostile.what: (answer, peak) for hostile, (answer, peak) in zip(BOMBS, answers, strict=True)}


def test_the_page_has_every_input_with_its_answer() -> None:
    page = DOCS.read_text(encoding="utf-8")
    assert len(INPUTS) >= 60 and page == written_into(page)


@pytest.mark.parametrize(
    "hostile", [pytest.param(each, id=each.what, marks=() if each.bomb else pytest.mark.sql) for each in INPUTS]
)
def test_a_hostile_input_gets_the_answer_that_is_documented(
    emptied: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, hostile: Hostile
) -> None:
    folder = tmp_path / "trades"
    folder.mkdir()
    if hostile.bomb:
        answer, _ = request.getfixturevalue("bombs")[hostile.what]
    else:
        path = hostile.make(folder)
        answer = dropped(emptied, monkeypatch, path) if hostile.landing else loaded(emptied, path, hostile.shows)
    if hostile.exported:
        answer += f"; {exported(emptied, path)}"
    assert re.sub(r"rows in [\d,]+ bytes", "rows in SIZE bytes", answer) == hostile.answer
    assert not OBEYED.search(answer)


def test_no_bomb_takes_more_memory_than_a_load_may(bombs: Answers) -> None:
    peaks = {what: peak for what, (_, peak) in bombs.items()}
    assert max(peaks.values()) < MEMORY, peaks


def dropped(db: Database, monkeypatch: pytest.MonkeyPatch, path: Path) -> str:
    """What becomes of a file in the landing folder of the trades."""
    monkeypatch.setattr("dpm_assets.loads.landing.QUIET_SECONDS", 0.0)
    monkeypatch.setenv("DPM_LANDING", str(path.parent.parent))
    settings.cache_clear()
    before = path.name
    found = scan(path.parent.parent)
    done = load_waiting(cast(Any, logging.getLogger("dagster")), db, ["trades"])
    settings.cache_clear()
    if not found.files:
        [note] = found.notes
        assert os.path.lexists(path) and not done.results and not done.failed and stored(db) == 0
        return f"left alone: {of_file(note, path)}"
    assert not path.exists() and [waiting.path for waiting in found.files] == [path]
    [end] = [each for each in ("done", "failed") if (path.parent / each).is_dir()]
    settled = sorted(each.name for each in (path.parent / end).iterdir())
    name = "" if before in settled else " under a shorter name"
    if end == "done":
        [file] = settled
        answer = told(db, done.results[0], path.parent / "done" / file)
        return f"{answer}; then in done/{name}"
    file, beside = settled
    reason = (path.parent / end / beside).read_text(encoding="utf-8")
    assert beside == file + ".reason.txt" and not OBEYED.search(reason)
    [failed] = done.failed.values()
    assert failed in reason and stored(db) == 0
    return f"refused: {of_file(failed, path)}; then in failed/{name} with the reason beside it"


COMMANDS = (
    ["loads", "list", "--limit", "100"], ["loads", "show", "1"], ["rejects", "list"], ["rejects", "list", "BATCH"],
    ["rejects", "show", "BATCH", "3"], ["status"],
)  # fmt: skip
SHOWN = [each for each in INPUTS if re.search("escape|override|markup|line break|SQL|path", each.what)]


@pytest.mark.sql
def test_what_commands_print_of_them_is_text_and_nothing_else(emptied: Database, tmp_path: Path) -> None:
    url, said = emptied.url, list[Ended]()
    for number, hostile in enumerate(SHOWN):
        (tmp_path / str(number)).mkdir()
        path = hostile.make(tmp_path / str(number))
        said.append(dpm(url, "load", path))
        assert in_one_line(path.name) in said[-1].stdout
    batch = str(value(emptied, "select batch_id from load_rejects where position('\x1b' in raw_text) > 0 limit 1"))
    for command in COMMANDS:
        given = [each.replace("BATCH", batch) for each in command]
        said.append(dpm(url, *given))
        if command[0] in ("loads", "rejects"):
            said.append(dpm(url, *given, "--json"))
    for each in said:
        assert not OBEYED.search(each.stdout) and not OBEYED.search(each.stderr)
    assert sum(in_one_line("\x1b[31mHOLD\x07") in each.stdout for each in said) >= 3
    assert sum("[red]HOLD[/red]" in each.stdout for each in said) >= 1


def test_every_command_prints_through_the_one_terminal() -> None:
    """Another console of rich would take brackets for markup, and pass on what a terminal obeys."""
    others = [
        str(file)
        for file in (project_dir() / "dpm_assets").rglob("*.py")
        if re.search(r"\bConsole\(|[^_.]print\(", file.read_text(encoding="utf-8")) and file.name != "printing.py"
    ]
    assert others == []


class _TerminalOutput(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.sql
def test_a_terminal_is_shown_an_export_without_what_it_would_obey(
    db: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file and a pipe get every byte, or it could not be loaded again."""
    row = trade("T1", lots="0", symbol="\x1b[2J\u202e[red]")
    dpm(database_url, "load", write(tmp_path / "rows.csv", row))
    assert row in dpm(database_url, "rejects", "export", "1").stdout
    monkeypatch.setattr("tests.command_line.io.TextIOWrapper", _TerminalOutput)
    exported = dpm(database_url, "rejects", "export", "1")
    assert not OBEYED.search(exported.stdout) and "\\x1b[2J\\u202e[red]" in exported.stdout


def test_a_file_that_a_link_has_taken_the_place_of_is_not_read(tmp_path: Path) -> None:
    """Between the look at the folder and the load, between the hash and the rows."""
    secret = write(tmp_path / "secret.csv", trade("T9"))
    path = write(tmp_path / "rows.csv", trade("T1"))
    source = look_at(path, follow_links=False)
    path.unlink()
    path.symlink_to(secret)
    assert not source.is_there()
    with pytest.raises(FileRefused, match="is a link"), source.opened():
        pass
    with pytest.raises(FileRefused, match=r"rows\.csv is a link\. Put the file itself there"):
        look_at(path, follow_links=False)
    followed = look_at(path)
    path.unlink()
    write(path, trade("T1"))
    with pytest.raises(FileRefused, match="changed while it was being loaded"), followed.opened():
        pass


def test_nothing_is_moved_or_written_through_a_link(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "trades"
    elsewhere.mkdir()
    (folder / "failed").mkdir(parents=True)
    precious = elsewhere / "precious"
    precious.write_text("precious")
    (folder / "failed" / "a.csv.reason.txt").symlink_to(precious)
    settled = settle(write(folder / "a.csv", "x"), FileRefused("a.csv is empty."))
    assert settled == folder / "failed" / "a.csv" and precious.read_text() == "precious"
    assert (folder / "failed" / "a.csv.reason.txt").read_text() == "a.csv is empty.\n"
    (folder / "done").symlink_to(elsewhere)
    path = write(folder / "b.csv", "x")
    with pytest.raises(DpmError, match=r"done is a link, so .*b\.csv stays"):
        settle(path, LoadResult(1, str(path), "trades", "loaded", source=look_at(path)))
    assert path.exists() and not (elsewhere / "b.csv").exists()
