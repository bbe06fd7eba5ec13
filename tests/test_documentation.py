"""The documentation is true: what it shows runs and prints what it says, every page is in the site, every link leads on."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml

from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import project_dir
from tests.baselines import baseline
from tests.documentation import DOCS, RUN, SHOWN, all_blocks, blocks, pages, relative, shows
from tests.running_pages import Reader, environment_for, files_for, warehouse

MKDOCS = DOCS / "mkdocs" / "mkdocs.yml"

# Why a block is not run, and how many there are for each reason: one more has to be a decision.
NOT_RUN = {
    "starts the whole service, as tests/test_service.py does": 3,
    "clones the project": 1,
    "names a server of yours": 3,
    "goes on until it is stopped": 2,
    "run by tests/test_adding_a_feed.py": 2,
    "run by tests/test_bench.py, smaller": 1,
    "run by tests/test_bench_answers.py": 1,
    "makes an environment of its own": 1,
    "takes minutes": 1,
    "takes as long as the run that is reported": 1,
    "run by tests/test_point_in_time.py": 5,
    "run by tests/test_upgrade.py": 1,
    "needs a container engine": 1,
    "sets up a machine": 3,
}

# Pages that begin with a database of the original, which they move.
FROM_THE_ORIGINAL = ("docs/migration.md",)

RUN_PAGES = sorted({block.page for block in all_blocks() if block.is_run})


@pytest.mark.parametrize("page", RUN_PAGES)
def test_what_a_page_shows_runs_and_prints_what_it_says(
    server: EmbeddedServer, template: str, tmp_path: Path, page: str
) -> None:
    original = baseline(server, rows=500) if page in FROM_THE_ORIGINAL else nullcontext("")
    files_for(tmp_path)
    with warehouse(server, template), original as url:
        reader = Reader(tmp_path, environment_for(server, tmp_path) | {"DPM_DATABASE_URL": url})
        for block in blocks(page, pages()[page]):
            if block.is_run:
                reader.follow(block)


def test_each_block_that_is_not_run_has_a_reason_that_was_accepted() -> None:
    assert Counter(block.not_run for block in all_blocks() if block.not_run) == NOT_RUN
    assert [str(block) for block in all_blocks() if block.not_run and block.language not in RUN] == []


def test_nothing_is_shown_that_could_be_passed_over() -> None:
    """Every block is fenced, and of a language that is either run or known to be none."""
    assert [str(block) for block in all_blocks() if block.language not in (*RUN, *SHOWN)] == []
    indented = [
        f"{page}:{number}"
        for page, text in pages().items()
        for number, line in enumerate(re.sub(r"^```.*?^```", _blank, text, flags=re.M | re.S).splitlines(), 1)
        if re.match(r"( {4}|\t)", line)
    ]
    assert indented == []
    assert sum(block.is_run for block in all_blocks()) > 20


def test_no_block_hands_a_password_over_as_an_argument() -> None:
    """Everybody on a machine sees the arguments of a process: `dpm server run` gives it to PostgreSQL's programs otherwise."""
    told = re.compile(r"\$\(dpm server url|^(?!\s*(?:export )?\w+=)\S.*\$\{?(?:DPM_\w+_URL|PGPASSWORD)", re.M)
    assert told.search('psql "$DPM_DATABASE_URL"') and told.search('pg_dump --dbname="$(dpm server url)"')
    assert [str(block) for block in all_blocks() if block.language == "sh" and told.search(block.text)] == []


def _blank(fenced: re.Match[str]) -> str:
    return "\n" * fenced[0].count("\n")


def test_another_output_than_the_page_says_is_told() -> None:
    assert shows("a | 1...\n(1 row)\n", "a | 1.50 s\n(1 row)\n\n")
    assert not shows("a | 1\n", "a | 2\n")
    assert not shows("a\n", "a\nb\n")


def test_every_page_is_in_the_navigation() -> None:
    def named(entry: object) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict):
            for inner in entry.values():
                yield from named(inner)
        elif isinstance(entry, list):
            for inner in entry:
                yield from named(inner)

    navigation = yaml.safe_load(MKDOCS.read_text(encoding="utf-8"))["nav"]
    assert sorted(named(navigation)) == sorted(relative(page) for page in DOCS.rglob("*.md"))


def test_the_site_is_built_without_a_warning_and_needs_nobody_elses_server(tmp_path: Path) -> None:
    """Links between pages, anchors in them, and pages out of the navigation are warnings."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "--quiet",
            "-f",
            str(MKDOCS),
            "-d",
            str(tmp_path / "site"),
        ],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    built = list((tmp_path / "site").rglob("*.html"))
    assert len(built) > 15
    fetched = re.compile(
        r"<(?:script|img|iframe)[^>]*\ssrc=\"?(https?:|//)|<link[^>]*rel=\"?(?:stylesheet|preconnect)[^>]*https?:"
    )
    assert [page.name for page in built if fetched.search(page.read_text(encoding="utf-8"))] == []


def test_the_readme_links_to_what_is_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (project_dir() / "README.md").read_text(encoding="utf-8"))
    assert len(links) > 10
    assert [link for link in links if not (project_dir() / link).exists()] == []
