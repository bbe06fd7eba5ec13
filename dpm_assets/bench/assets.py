"""The asset `benchmark_report`: the comparison, made from the UI, with its pictures inline."""

import dagster as dg
from pydantic import Field

from dpm_assets.settings import settings


class BenchmarkConfig(dg.Config):
    """How much is measured. It takes the whole machine meanwhile."""

    trades: int = Field(300_000, description="Trades at the end of the run.")
    sizes: list[int] = Field([], description="Steps before them; default 1, 3, 10, 27, 81 million.")
    months: int = Field(13, description="Months that they are spread over.")
    rounds: int = Field(7, description="Times that a query is timed, at most.")
    seconds: float = Field(3.0, description="Seconds after which a query is not timed again.")
    throughput_seconds: int = Field(3, description="Seconds of each run of pgbench.")
    clients: list[int] = Field([1, 8, 50, 200], description="Connections of pgbench.")


@dg.asset(
    group_name="monitor",
    kinds={"postgres", "duckdb"},
    description=(
        "The original, v1, v2 and this schema with the same sample on a server of their own: queries, loads, storage, refreshes,"
        " many clients, growth. Materialize it when nothing else is running; a run that was ended goes on."
    ),
    metadata={"dagster/table_name": "prop_trading_model.raw_trades_closed"},
)
def benchmark_report(context: dg.AssetExecutionContext, config: BenchmarkConfig) -> dg.MaterializeResult[None]:
    # Imported here, so that the graph opens without numpy and duckdb.
    from dpm_assets.bench.charts import pictures
    from dpm_assets.bench.plan import make_plan
    from dpm_assets.bench.report import inlined, markdown, write_report
    from dpm_assets.bench.results import results
    from dpm_assets.bench.run import forget, run
    from dpm_assets.bench.store import Store
    from dpm_assets.bench.targets import judge

    store = Store(settings().home / "bench_of_the_ui")
    plan = make_plan(
        config.trades,
        sizes=tuple(config.sizes),
        months=config.months,
        rounds=config.rounds,
        seconds=config.seconds,
        throughput_seconds=config.throughput_seconds,
        clients=tuple(config.clients),
    )
    if store.plan() not in (None, plan.identity()) or store.has("duckdb"):
        forget(store)  # another plan's, or one that is at its end: this is a new one
    run(plan, store, context.log.info)
    found = results(store)
    drawn = pictures(found)
    page, whole = write_report(found, store.folder / "report")
    judged = judge(found)
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.md(inlined(markdown(found, list(drawn)), drawn)),
            "page": dg.MetadataValue.path(page),
            "one_file": dg.MetadataValue.path(whole),
            "trades": plan.trades,
            "targets_met": sum(one.met is True for one in judged),
            "targets_missed": sum(one.met is False for one in judged),
        }
    )
