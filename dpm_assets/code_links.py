"""Links to the Python and the SQL that make an asset: local files or, with DPM_REPOSITORY_URL, their place in the repository."""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg

from dpm_assets.settings import settings, sql_dir

_PACKAGE = Path(__file__).resolve().parent

Assets = Sequence[Any]
"""Asset definitions, and specs of assets that are made elsewhere."""


def with_code_links(assets: Assets) -> Assets:
    """The same assets, each that is made here with a link to its function."""
    linked = dg.with_source_code_references(assets)
    if not settings().repository_url:
        return linked
    return dg.link_code_references_to_git(
        linked,
        git_url=settings().repository_url,
        git_branch=settings().repository_branch,
        file_path_mapping=dg.AnchorBasedFilePathMapping(
            local_file_anchor=_PACKAGE.parent, file_anchor_path_in_repository=""
        ),
    )


def sql_link(defined: str) -> dict[str, Any]:
    """Metadata that links to the statement that makes something: "table raw_trades_closed", "materialized view mv_...",
    "function account_query". Raises KeyError when no file makes it."""
    file, line = _places()[defined]
    label = Path(file).name
    url = settings().repository_url
    if url:
        tree = "/-/tree/" if "gitlab" in url else "/tree/"
        reference: Any = dg.UrlCodeReference(
            url=f"{url}{tree}{settings().repository_branch}/sql/{file}#L{line}", label=label
        )
    else:
        reference = dg.LocalFileCodeReference(file_path=str(sql_dir() / file), line_number=line, label=label)
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}


@lru_cache(maxsize=1)
def _places() -> dict[str, tuple[str, int]]:
    """What each statement of the schema makes, with its file and line."""
    made = re.compile(
        r"^create (?:or replace )?(table|materialized view|view|function) (?:if not exists )?prop_trading_model\.(\w+)",
        re.MULTILINE,
    )
    found = {}
    for folder in ("tables", "functions", "views"):
        for file in sorted((sql_dir() / folder).glob("*.sql")):
            text = file.read_text(encoding="utf-8")
            for statement in made.finditer(text):
                line = text.count("\n", 0, statement.start()) + 1
                found[f"{statement[1]} {statement[2]}"] = (f"{folder}/{file.name}", line)
    return found
