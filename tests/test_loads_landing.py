"""The landing folder: only what is complete is taken, and nothing that was taken is overwritten."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpm_assets.errors import DpmError
from dpm_assets.loads.faults import FileChanged, FileMissing, FileRefused
from dpm_assets.loads.landing import scan, settle
from dpm_assets.loads.result import LoadResult
from dpm_assets.loads.source import look_at

NOW = 1_800_000_000.0


def drop(path: Path, age: float = 10.0, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (NOW - age, NOW - age))
    return path


def names(landing: Path) -> list[str]:
    return [f"{waiting.feed}/{waiting.path.name}" for waiting in scan(landing, now=NOW).files]


def loaded(path: Path) -> LoadResult:
    return LoadResult(1, str(path), "trades", "loaded", source=look_at(path))


def test_quiet_files_of_every_feed_are_found_the_oldest_first(tmp_path: Path) -> None:
    drop(tmp_path / "trades" / "b.csv", age=50)
    drop(tmp_path / "trades" / "a.csv", age=20)
    drop(tmp_path / "plans" / "p.csv", age=90)
    drop(tmp_path / "elsewhere" / "x.csv")
    assert names(tmp_path) == ["plans/p.csv", "trades/b.csv", "trades/a.csv"]


def test_a_folder_that_cannot_be_looked_into_is_told_and_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(tmp_path / "plans" / "p.csv")
    drop(tmp_path / "trades" / "t.csv")
    iterdir = Path.iterdir

    def denied(path: Path) -> Iterator[Path]:
        if path.name == "plans":
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", denied)
    found = scan(tmp_path, now=NOW)
    assert [waiting.path.name for waiting in found.files] == ["t.csv"]
    assert found.notes == [f"{tmp_path / 'plans'} cannot be looked into: Permission denied. Its files wait."]


def test_what_took_the_place_of_a_file_while_it_was_loaded_stays(tmp_path: Path) -> None:
    path = drop(tmp_path / "trades" / "a.csv")
    with pytest.raises(FileChanged) as changed:
        source = look_at(path)
        path.write_text("another")
        source.check_unchanged()
    assert settle(path, changed.value) is None and path.read_text() == "another"


def test_folders_that_ask_for_more_are_looked_through_where_they_mean_something(tmp_path: Path) -> None:
    drop(tmp_path / "trades" / "replace-days" / "a.csv", age=50)
    drop(tmp_path / "trades" / "full-history" / "b.csv", age=40)
    drop(tmp_path / "open_trades" / "complete" / "c.csv", age=30)
    drop(tmp_path / "plans" / "complete" / "d.csv", age=20)
    drop(tmp_path / "trades" / "replace-days" / "replace-days" / "e.csv")
    found = scan(tmp_path, now=NOW)
    assert [(waiting.feed, waiting.asked, waiting.path.name) for waiting in found.files] == [
        ("trades", "replace-days", "a.csv"), ("trades", "full-history", "b.csv"), ("open_trades", "complete", "c.csv"),
    ]  # fmt: skip
    assert [note.split(" is no regular file")[0] for note in found.notes] == [
        str(tmp_path / "trades" / "replace-days" / "replace-days"), str(tmp_path / "plans" / "complete"),
    ]  # fmt: skip
    assert (
        settle(found.files[0].path, loaded(found.files[0].path))
        == tmp_path / "trades" / "replace-days" / "done" / "a.csv"
    )


def test_the_reason_of_a_failure_that_was_moved_back_too_is_left_alone(tmp_path: Path) -> None:
    drop(tmp_path / "trades" / "a.csv")
    drop(tmp_path / "trades" / "a.csv.reason.txt")
    assert names(tmp_path) == ["trades/a.csv"]


def test_a_landing_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert scan(tmp_path / "none").files == []


@pytest.mark.parametrize("name", ["a.csv.part", "a.csv.tmp", "a.CRDOWNLOAD", ".a.csv", "a.csv~", "a.csv.filepart"])
def test_a_temporary_name_is_left_alone(tmp_path: Path, name: str) -> None:
    drop(tmp_path / "trades" / name)
    assert names(tmp_path) == []


def test_a_file_is_taken_when_it_has_been_quiet_for_two_seconds(tmp_path: Path) -> None:
    path = drop(tmp_path / "trades" / "a.csv", age=1.0)
    found = scan(tmp_path, now=NOW)
    assert found.files == [] and "still being written" in found.notes[0]
    assert [waiting.path for waiting in scan(tmp_path, found, now=NOW + 1.5).files] == [path]


def test_a_file_dated_in_the_future_is_taken_when_two_looks_agree(tmp_path: Path) -> None:
    path = drop(tmp_path / "trades" / "a.csv", age=-3600.0)
    first = scan(tmp_path, now=NOW)
    second = scan(tmp_path, first, now=NOW + 1.0)
    third = scan(tmp_path, second, now=NOW + 2.5)
    assert (first.files, second.files) == ([], [])
    assert [waiting.path for waiting in third.files] == [path]
    drop(path, age=-3600.0, text="longer")
    assert scan(tmp_path, third, now=NOW + 5).files == []


def test_links_that_leave_the_folder_and_what_is_no_file_are_left_alone_with_a_reason(tmp_path: Path) -> None:
    drop(tmp_path / "trades" / "a.csv")
    outside = drop(tmp_path / "secret.csv")
    (tmp_path / "trades" / "link.csv").symlink_to(outside)
    (tmp_path / "trades" / "dangling.csv").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "trades" / "pipe.csv")
    (tmp_path / "trades" / "folder").mkdir()
    found = scan(tmp_path, now=NOW)
    assert [waiting.path.name for waiting in found.files] == ["a.csv"]
    assert sorted(note.split(" ")[0].rsplit("/", 1)[1] for note in found.notes) == [
        "dangling.csv", "folder", "link.csv", "pipe.csv",
    ]  # fmt: skip


def test_what_was_loaded_goes_to_done_and_never_over_another_file(tmp_path: Path) -> None:
    settled = []
    for text in ("one", "two", "three"):
        path = drop(tmp_path / "trades" / "a.csv", text=text)
        settled.append(settle(path, loaded(path)))
    assert [path.name for path in settled if path] == ["a.csv", "a.1.csv", "a.2.csv"]
    assert [path.read_text() for path in settled if path] == ["one", "two", "three"]
    assert names(tmp_path) == []


def test_what_was_refused_goes_to_failed_with_the_reason_beside_it(tmp_path: Path) -> None:
    first = settle(drop(tmp_path / "trades" / "a.csv"), FileRefused("a.csv is empty. Export it again."))
    second = settle(
        drop(tmp_path / "trades" / "a.csv"),
        LoadResult(7, "a.csv", "trades", "refused", message="too many", rejects=[(3, "lots '0': expected more")]),
    )
    assert first == tmp_path / "trades" / "failed" / "a.csv"
    assert (first.parent / "a.csv.reason.txt").read_text() == "a.csv is empty. Export it again.\n"
    assert second and second.name == "a.1.csv"
    assert (first.parent / "a.1.csv.reason.txt").read_text().splitlines()[-1] == "line 3: lots '0': expected more"


def test_a_file_that_is_not_at_fault_stays(tmp_path: Path) -> None:
    path = drop(tmp_path / "trades" / "a.csv")
    assert settle(path, DpmError("Cannot connect to the server.")) is None
    assert settle(tmp_path / "trades" / "gone.csv", FileMissing("gone")) is None
    assert path.exists()


def test_a_new_file_under_the_name_of_a_loaded_one_stays(tmp_path: Path) -> None:
    path = drop(tmp_path / "trades" / "a.csv")
    result = loaded(path)
    drop(path, age=5, text="another")
    assert settle(path, result) is None
    assert path.read_text() == "another"
    path.unlink()
    assert settle(path, result) is None
