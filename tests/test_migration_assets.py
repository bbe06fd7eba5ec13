"""The migration as a backfill: months are copied by runs, reported, and skipped when they are done."""

from collections.abc import Iterator

import dagster as dg
import pytest

from dpm_assets.migration.assets import migrated_metrics, migrated_trades
from dpm_assets.months import RANGE_END, RANGE_START
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import settings
from dpm_assets.warehouse import Warehouse
from tests.baselines import baseline
from tests.interleaving import session

pytestmark = pytest.mark.sql


@pytest.fixture
def original(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with baseline(server, rows=1_000) as url:
        monkeypatch.setenv("DPM_DATABASE_URL", url)
        settings.cache_clear()
        yield url
    monkeypatch.undo()
    settings.cache_clear()


def materialize(
    asset: dg.AssetsDefinition, first: str, last: str, instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [asset],
        instance=instance,
        resources={"warehouse": Warehouse()},
        tags={RANGE_START: first, RANGE_END: last},
        raise_on_error=False,
    )


def test_a_backfill_copies_its_months_and_years_and_no_others(original: str, instance: dg.DagsterInstance) -> None:
    assert materialize(migrated_trades, "2024-01-01", "2024-02-01", instance).success
    assert materialize(migrated_metrics, "2024", "2024", instance).success
    with session(original, autocommit=True) as conn:
        verified = conn.execute(
            "select table_name, starts::text from prop_trading_model_migration.parts where state = 'verified' order by 1, 2"
        ).fetchall()
        assert verified == [
            ("raw_metrics_daily", "2024-01-01"),
            ("raw_trades_closed", "2024-01-01"),
            ("raw_trades_closed", "2024-02-01"),
        ]
        bites = "select count(*), max(bite_id) from prop_trading_model_migration.bites"
        before = conn.execute(bites).fetchone()
        assert materialize(migrated_trades, "2024-01-01", "2024-02-01", instance).success
        assert conn.execute(bites).fetchone() == before
        rows = {
            record.partition_key: record.asset_materialization.metadata["dagster/partition_row_count"].value
            for record in instance.fetch_materializations(dg.AssetKey("migrated_trades"), limit=10).records
            if record.asset_materialization
        }
        assert rows == {
            f"2024-0{month}-01": count
            for month, count in conn.execute(
                "select extract(month from trade_date)::int, count(*) from prop_trading_model.raw_trades_closed"
                " where trade_date < '2024-03-01' group by 1"
            ).fetchall()
        }


def test_a_run_of_a_warehouse_with_nothing_to_migrate_fails_with_that_sentence(
    database_url: str, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DPM_DATABASE_URL", database_url)
    settings.cache_clear()
    result = materialize(migrated_trades, "2024-01-01", "2024-01-01", instance)
    settings.cache_clear()
    assert not result.success
    [failure] = result.get_step_failure_events()
    assert "nothing to migrate" in str(failure.step_failure_data.error)
