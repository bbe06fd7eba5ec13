"""Wherever a file lies, it is loaded as from this machine's disk; and what a URL must keep secret is never shown."""

import io
import subprocess
import sys
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.faults import FileMissing, FileRefused
from dpm_assets.loads.feeds import FEEDS
from dpm_assets.loads.finding import find_files, url_of_found
from dpm_assets.loads.load import load_file
from dpm_assets.loads.taking import public_name, taken
from tests.feed_rows import ROWS
from tests.file_formats import FORMATS
from tests.trade_rows import rows, trade, value, write


@pytest.mark.parametrize("suffix", ["csv", "jsonl.gz", "parquet"])
def test_a_remote_file_is_loaded_once_under_its_url(db: Database, tmp_path: Path, suffix: str) -> None:
    path = FORMATS[suffix](tmp_path / "t", FEEDS["trades"], ROWS["trades"])
    url = f"memory://exports/{suffix}/t"
    fsspec.filesystem("memory").put(str(path), url)
    assert (load_file(db, url).status, load_file(db, url).status) == ("loaded", "already loaded")
    assert load_file(db, path).status == "already loaded"
    assert rows(db, "select file, rows_inserted from load_batches") == [(url, 2)]


def test_a_file_url_is_the_file_itself(db: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", trade("T1"))
    assert load_file(db, path.as_uri()).file == str(path)


def test_standard_input_is_loaded(
    db: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "t.csv", trade("T1"), trade("T2", side="hold"))
    run = subprocess.run(
        [sys.executable, "-m", "dpm_assets", "load", "-"],
        input=path.read_bytes(),
        capture_output=True,
        env={"DPM_DATABASE_URL": database_url, "DPM_HOME": str(tmp_path)},
        check=False,
    )
    assert run.returncode == 0 and b"stdin, line 3: side 'hold'" in run.stdout, run.stderr
    assert value(db, "select file from load_batches") == "stdin"


def test_files_are_found_in_folders_by_patterns_and_at_urls(tmp_path: Path) -> None:
    for name in ("b.csv", "deep/a.parquet", "c.jsonl.zst", "notes.md", "c.csv.part", "failed/x.csv.reason.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    in_folder = [tmp_path / name for name in ("b.csv", "c.jsonl.zst", "deep/a.parquet")]
    assert list(find_files([tmp_path])) == in_folder
    assert list(find_files([tmp_path.as_uri()])) == in_folder
    assert list(find_files([f"{tmp_path}/**/*.parquet", "-", str(tmp_path / "notes.md")])) == [
        tmp_path / "deep/a.parquet", "-", tmp_path / "notes.md",
    ]  # fmt: skip
    fsspec.filesystem("memory").put(str(tmp_path), "memory://bucket/", recursive=True)
    base = f"memory://bucket/{tmp_path.name}"
    found = [f"{base}/b.csv", f"{base}/c.jsonl.zst", f"{base}/deep/a.parquet"]
    assert list(find_files([f"{base}/"])) == found
    secret = f"memory://user:pass@bucket/{tmp_path.name}"
    fsspec.filesystem("memory").put(str(tmp_path / "b.csv"), f"{secret}/b.csv")
    assert list(find_files([f"{secret}/*.csv"])) == [f"{secret}/b.csv"]
    assert list(find_files([f"{base}/*.csv", "s3://bucket/key.csv"])) == [found[0], "s3://bucket/key.csv"]


class Hosted(MemoryFileSystem):  # type: ignore[misc]
    """A file system whose paths lack the host and the login of its URLs, as those of SFTP do."""

    protocol = "hosted"
    store: ClassVar[dict[str, object]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(urlsplit(path).path if "://" in path else path))


def test_files_of_a_host_are_found_in_its_root_and_in_a_folder_called_like_the_user() -> None:
    fsspec.register_implementation("hosted", Hosted, clobber=True)
    fsspec.filesystem("hosted").pipe_file("/trades/a.csv", b"x")
    for place in ("", "trades/", "trades/*.csv"):
        assert list(find_files([f"hosted://trades:pass-w0rd@host/{place}"])) == [
            "hosted://trades:pass-w0rd@host/trades/a.csv"
        ]


@pytest.mark.parametrize(
    ("url", "path", "file", "expected"),
    [
        ("sftp://u:p@host/", "/", "/a.csv", "sftp://u:p@host/a.csv"),
        ("sftp://trades:p@host/trades/", "/trades", "/trades/a.csv", "sftp://trades:p@host/trades/a.csv"),
        ("sftp://trades/trades/*.csv", "/trades/*.csv", "/trades/a.csv", "sftp://trades/trades/a.csv"),
        ("s3://bucket/", "bucket", "bucket/a.csv", "s3://bucket/a.csv"),
        ("s3://in/in/*.csv", "in/in/*.csv", "in/in/a.csv", "s3://in/in/a.csv"),
        ("abfs://box@account/", "box", "box/a.csv", "abfs://box@account/a.csv"),
        ("abfs://box@account/in/", "box/in", "box/in/a.csv", "abfs://box@account/in/a.csv"),
        ("https://u:p@host/in/", "https://u:p@host/in/", "https://u:p@host/in/a.csv", "https://u:p@host/in/a.csv"),
        ("simplecache::sftp://in:p@host/in/", "/in", "/in/a.csv", "simplecache::sftp://in:p@host/in/a.csv"),
        ("zip://d*/*.csv::s3://in/d.zip", "d*/*.csv", "d1/a.csv", "zip://d1/a.csv::s3://in/d.zip"),
        ("simplecache::/in/", "/in", "/in/a.csv", "simplecache::/in/a.csv"),
        ("simplecache::file:///data/*.csv", "/data/*.csv", "/data/a.csv", "simplecache::file:///data/a.csv"),
        ("local:///data/*.csv", "/data/*.csv", "/data/a.csv", "local:///data/a.csv"),
        ("hdfs:///in/", "/in", "/in/a.csv", "hdfs:///in/a.csv"),
    ],
)
def test_the_url_of_a_file_that_was_found_keeps_host_and_login(url: str, path: str, file: str, expected: str) -> None:
    assert url_of_found(file, url, path) == expected


@pytest.mark.parametrize("place", ["", "*.parquet", "memory://empty/", "memory://empty/*.csv"])
def test_where_no_file_is_found_the_load_says_so(tmp_path: Path, place: str) -> None:
    with pytest.raises(DpmError, match=r"(holds|fits) no file"):
        list(find_files([place if "://" in place else f"{tmp_path}/{place}"]))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://bucket/t.csv", "s3://bucket/t.csv is reached with a package that is not installed: pip install s3fs"),
        ("gs://bucket/t.csv", "pip install gcsfs"),
        ("abfs://box/t.csv", "pip install adlfs"),
        ("nowhere://box/t.csv", "nothing is known that reads nowhere:// URLs"),
    ],
)
def test_a_missing_package_is_named_in_a_sentence(url: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("s3fs", "gcsfs", "adlfs"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DpmError) as error, taken(url):
        pass
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_remote_file_that_is_not_there_is_missing(db: Database) -> None:
    with pytest.raises(FileMissing, match=r"^memory://nowhere/t\.csv does not exist"):
        load_file(db, "memory://nowhere/t.csv")


SECRET = "memory://user:pass-w0rd@bucket/t.csv?X-Signature=s1gned#frag"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (SECRET, "memory://bucket/t.csv"),
        ("https://u:p@host:8443/a/b.csv?token=x", "https://host:8443/a/b.csv"),
        ("simplecache::s3://key:secret@bucket/x.csv", "simplecache::s3://bucket/x.csv"),
        ("s3://bucket/a@b.csv", "s3://bucket/a@b.csv"),
    ],
)
def test_a_url_is_named_without_what_it_must_keep_secret(url: str, shown: str) -> None:
    assert public_name(url) == shown


class Forgetful(MemoryFileSystem):  # type: ignore[misc]
    """A file system whose errors quote the URL that they were given."""

    protocol = "forgetful"

    def get_file(self, path: str, target: str, **more: object) -> None:
        raise RuntimeError(f"403 for {SECRET.replace('memory', 'forgetful')} (user, pass-w0rd, X-Signature=s1gned)")


def test_no_secret_of_a_url_reaches_a_message_or_the_ledger(db: Database, tmp_path: Path) -> None:
    fsspec.register_implementation("forgetful", Forgetful, clobber=True)
    with pytest.raises(DpmError) as error:
        load_file(db, SECRET.replace("memory", "forgetful"))
    said = str(error.value)
    assert said.startswith("forgetful://bucket/t.csv cannot be fetched: 403 for ...")
    assert error.value.__cause__ is None and error.value.__suppress_context__
    with fsspec.open(SECRET, "wb") as file:
        file.write(write(tmp_path / "t.csv", trade("T1"), "T2").read_bytes())
    result = load_file(db, SECRET)
    stored = rows(db, "select b::text from load_batches as b union all select r::text from load_rejects as r")
    for text in [said, repr(result), *(row[0] for row in stored)]:
        assert not [secret for secret in ("pass-w0rd", "s1gned", "user:", "frag") if secret in text]


def test_a_refused_remote_file_is_named_by_its_url(db: Database) -> None:
    with fsspec.open("memory://bucket/empty.csv", "wb"):
        pass
    with pytest.raises(FileRefused, match=r"^memory://bucket/empty.csv is empty"):
        load_file(db, "memory://bucket/empty.csv")


def test_nothing_is_left_of_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a,b\n")))
    with taken("-") as source:
        assert (source.name, source.bytes, source.path.parent.parent) == ("stdin", 4, tmp_path)
    assert list(tmp_path.iterdir()) == []
