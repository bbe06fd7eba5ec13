"""What an asset's page says: who it is, its columns, where its code is, what a refresh cost, and the pictures."""

import base64
import re
from pathlib import Path
from xml.etree import ElementTree

import dagster as dg
import pytest

from dpm_assets.code_links import sql_link, with_code_links
from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.monitor.assets import partition_statistics
from dpm_assets.months import key_of
from dpm_assets.settings import settings
from tests.test_definitions import SPECS, insert_trade, materialize, months_back

GROUPS = {"schema", "partitions", "raw", "rollups", "views", "live_views", "monitor", "archive", "migration"}

# They are about the whole schema, and about several databases.
NO_TABLE = {"database_schema", "benchmark_report"}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.key.to_user_string())
def test_every_asset_says_who_it_is(spec: dg.AssetSpec) -> None:
    assert spec.group_name in GROUPS
    assert spec.description and spec.description[0].isupper() and spec.description.rstrip("`")[-1] in ".`"
    assert len(spec.description.split()) >= 8
    assert spec.owners and spec.kinds
    assert spec.metadata["dagster/table_name"].startswith("prop_trading_model")


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.key.to_user_string())
def test_every_asset_that_is_a_table_shows_its_columns(spec: dg.AssetSpec) -> None:
    if spec.key.to_user_string() not in NO_TABLE:
        assert len(spec.metadata["dagster/column_schema"].columns) >= 3
    if spec.group_name in {"rollups", "views", "live_views"}:
        lineage = spec.metadata["dagster/column_lineage"].deps_by_column
        assert {dep.asset_key for deps in lineage.values() for dep in deps} <= {dep.asset_key for dep in spec.deps}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.key.to_user_string())
def test_every_asset_links_to_code_that_is_there(spec: dg.AssetSpec) -> None:
    references = spec.metadata["dagster/code_references"].code_references
    assert references
    for reference in references:
        lines = Path(reference.file_path).read_text(encoding="utf-8").splitlines()
        assert re.match(r"\s*(@|def |create )", lines[reference.line_number - 1]), reference


def test_with_a_repository_the_links_lead_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPM_REPOSITORY_URL", "https://github.com/firm/warehouse/")
    settings.cache_clear()
    try:
        [linked] = with_code_links([partition_statistics])
        [sql_file] = sql_link("materialized view mv_daily_trading_stats")["dagster/code_references"].code_references
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    urls = [each.url for each in linked.metadata_by_key[linked.key]["dagster/code_references"].code_references[-1:]]
    assert re.fullmatch(r"https://github.com/firm/warehouse/tree/main/dpm_assets/monitor/assets.py#L\d+", urls[0])
    assert re.fullmatch(
        r"https://github.com/firm/warehouse/tree/main/sql/views/mv_daily_trading_stats.sql#L\d+", sql_file.url
    )


def test_a_repository_with_a_login_in_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPM_REPOSITORY_URL", "https://me:secret@github.com/firm/warehouse")
    settings.cache_clear()
    try:
        with pytest.raises(DpmError, match="DPM_REPOSITORY_URL cannot be used") as refused:
            settings()
        assert "secret" not in str(refused.value)
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_a_refresh_says_what_it_cost_and_shows_the_profit_of_the_month(
    connected: Database, instance: dg.DagsterInstance
) -> None:
    insert_trade(connected, months_back(2))
    with connected.connection(None) as conn:
        conn.execute("update changed_account_days set changed_at = changed_at - interval '90 seconds'")
    materialize(connected, instance, months_back(2), months_back(1))
    shown = {
        (asset, str(record.partition_key)): record.asset_materialization.metadata
        for asset in ("mv_daily_trading_stats", "rollup_account_symbol_day")
        for record in instance.fetch_materializations(dg.AssetKey(asset), limit=10).records
        if record.asset_materialization
    }
    view = shown["mv_daily_trading_stats", key_of(months_back(2))]
    assert {name: view[name].value for name in ("dagster/partition_row_count", "dagster/row_count", "keys_taken")} == {
        "dagster/partition_row_count": 1, "dagster/row_count": 1, "keys_taken": 0,
    }  # fmt: skip
    assert 90 <= float(str(view["lag_seconds"].value)) < 3600
    assert picture(view["daily_profit"])[1:] == ["10"], "one bar, of the day's profit"
    assert "daily_profit" not in shown["mv_daily_trading_stats", key_of(months_back(1))], "a month without trades"
    assert shown["rollup_account_symbol_day", key_of(months_back(2))]["dagster/row_count"].value == 1
    costs = shown["rollup_account_symbol_day", key_of(months_back(1))]["refresh_cost"]
    assert len(picture(costs)) > 1
    assert "refresh_cost" not in shown["rollup_account_symbol_day", key_of(months_back(2))]


def picture(value: dg.MetadataValue) -> list[str]:
    """The title of a picture, and the values of its bars."""
    found = re.fullmatch(r"!\[.+\]\(data:image/svg\+xml;base64,(.+)\)", str(value.value))
    assert found
    root = ElementTree.fromstring(base64.b64decode(found[1]))
    name = "{http://www.w3.org/2000/svg}"
    bars = [str(bar.text).rpartition(": ")[2] for bar in root.iter(f"{name}title")]
    return [str(root.find(f"{name}text").text), *bars]  # type: ignore[union-attr]
