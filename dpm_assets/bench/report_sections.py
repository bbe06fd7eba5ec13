"""What each section of the report says."""

from dataclasses import dataclass
from pathlib import Path

from dpm_assets.bench.report_queries import (
    cold_section,
    growth_section,
    plans_section,
    queries_section,
    slower_section,
)
from dpm_assets.bench.report_targets import in_short, targets_section
from dpm_assets.bench.report_whole import (
    loads_section,
    others_section,
    refresh_section,
    storage_section,
    throughput_section,
)
from dpm_assets.bench.results import Results
from dpm_assets.bench.systems import BY_NAME


@dataclass(frozen=True)
class Section:
    """A title, a text in Markdown, and the name of the picture that belongs to it."""

    title: str
    text: str
    picture: str = ""


def sections(results: Results) -> list[Section]:
    return [
        Section("In short", in_short(results)),
        Section("What was measured", _what(results)),
        Section("Targets", targets_section(results)),
        Section("Queries", queries_section(results), "queries"),
        Section("More than twice as slow as in the original", slower_section(results)),
        Section("What the plans did", plans_section(results)),
        Section("From the disk", cold_section(results)),
        Section("Loads", loads_section(results), "loads"),
        Section("Storage", storage_section(results), "storage"),
        Section("Refresh", refresh_section(results), "refresh"),
        Section("Many clients at once", throughput_section(results), "throughput"),
        Section("Growth", growth_section(results), "growth"),
        Section("DuckDB over Parquet, dbt", others_section(results)),
        Section("To measure again", _again(results)),
    ]


def _what(results: Results) -> str:
    plan, found = results.plan, results.stages["machine"]
    side_by_side = results.sizes[-1] <= plan["together"]
    way = "all systems on one server, taking turns" if side_by_side else "one system after the other"
    source = f"the sample in {Path(plan['sample']).name}" if plan["sample"] else f"the sample (seed {plan['seed']})"
    steps = ", ".join(f"{size:,}" for size in results.sizes)
    settings = ", ".join(f"{name} = {value}" for name, value in found["settings"].items())
    duck = results.stages.get("duckdb")
    later = [
        f"{BY_NAME[name].title} {one['date']} on {one['processor']}, {one['cores']} cores, {one['memory_gib']} GiB, load average"
        f" {one['load_average']}"
        for name in BY_NAME
        if (one := results.stages.get(f"machine.{name}")) and one["date"] != found["date"]
    ]
    others = f" Measured later: {'; '.join(later)}." if later else ""
    stopped = results.views_stopped_at
    unmade = (
        f" v2's views were not made in {plan['longest']:g} s at {stopped:,} trades, and not tried with more: from there on every"
        " figure of v2 (queries, disk, clients, storage, growth) is without them."
        if stopped
        else ""
    )
    cut_short = "" if results.ended else "**This run has not come to its end: what is missing was not measured.**\n\n"
    return (
        f"{cut_short}{found['date']}: {found['processor']}, {found['cores']} cores, {found['memory_gib']} GiB,"
        f" {found['system']}; PostgreSQL"
        f" {found['postgresql']} (the embedded server, the same for all), DuckDB {duck['version'] if duck else '-'}, Python"
        f" {found['python']}; load average at the beginning {found['load_average']}.{others}\n\n"
        f"{results.sizes[-1]:,} trades of {source} over {plan['months']} months from {plan['start']} on,"
        f" in steps of {steps}; {way}. A query's figure is the median of up to {plan['rounds']} runs of a prepared"
        f" statement, with the least and the most in brackets, after one that is not counted; fewer runs, but three at least,"
        f" when they take more than {plan['seconds']:g} s, and one, the first, when that alone does. What takes more than"
        f" {plan['longest']:g} s is stopped and marked with >: a factor over it is the least that it can be. The answers of all"
        " systems, except what was stopped, are compared value by value, and a difference ends the run.\n\n"
        "The systems: the original is `sql/schema_baseline.sql`; v1 `sql/archive/v1_conservative/schema.sql`, the original"
        " with better indexes; v2 `sql/archive/v2_balanced/schema.sql`, monthly partitions and materialized views straight"
        " over the trades; production `sql/schema.sql`. Production's rows went in through its loader, the others' by `COPY`."
        f"{unmade}\n\nSettings of the server at the beginning (`max_wal_size` follows the free disk): {settings}."
        f"{_other_settings(results)}"
    )


def _other_settings(results: Results) -> str:
    """Of systems that were measured with other settings than the first, after the run was begun with an older version."""
    first = results.stages["machine"]["settings"]
    said = ""
    for name, system in BY_NAME.items():
        settings = results.stages.get(f"machine.{name}", {}).get("settings", {})
        if other := [
            f"{key} = {value}" for key, value in settings.items() if key != "max_wal_size" and first.get(key) != value
        ]:
            said += f" {system.title.capitalize()} was measured with {', '.join(other)}, which was not set so before."
    return said


def _again(results: Results) -> str:
    plan = results.plan
    sample = plan["sample"]
    sizes = "".join(f" --size {size}" for size in results.sizes[:-1])
    return (
        "<!-- not run: takes as long as the run that is reported -->\n```sh\n"
        f"dpm bench --trades {results.sizes[-1]}{sizes} --months {plan['months']} --start {plan['start']}"
        f" --seed {plan['seed']} --rounds {plan['rounds']} --seconds {plan['seconds']:g}"
        f" --throughput-seconds {plan['throughput_seconds']} --longest {plan['longest']:g}"
        f"{'' if sample is None else f' --sample {Path(sample).name}'}\n```\n\n"
        "It says first what room it needs, and goes on where it was killed. SQL measured:"
        f" {', '.join(f'{name} {digest}' for name, digest in plan['sql'].items())}."
    )
