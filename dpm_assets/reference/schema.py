"""The pages of tables, views and functions."""

from collections.abc import Sequence

from dpm_assets.reference.catalogue import Relation, Routine
from dpm_assets.reference.markdown import cell, code, page, table

_MODELS = ("stg_", "feature_", "model_")

_TABLES = (
    "What loads write and every other client may write. Money is in the one reporting currency, times are UTC. What a check "
    "refuses, a load rejects row by row ([loads](../loads.md)); what changed against the original: "
    "[compatibility](../compatibility.md)."
)
_MODEL_TABLES = "What the models downstream read and write. The warehouse keeps these tables and takes no part in them."
_VIEWS = (
    "net = profit + commission + swap, a missing one counts 0. A win has profit > 0, a loss profit < 0. Averages, deviations, "
    "ratios and rates are rounded to 6 places and null when there is nothing to divide by; sums and extremes are exact. Trailing "
    "windows of N days end with `as_of_date()`, the latest day with trades that is not after today, that day included. "
    "Each `live_*` has the columns of the `mv_*` or rollup that it stands beside ([live views](../concepts.md#live-views))."
)
_ROLLUPS = (
    "What the views are made from, kept equal to a recomputation from the raw trades by the [refresh](../how_it_works.md). "
    "Every measure is exact, so that it merges."
)
_BOOKKEEPING = "What loads, refreshes and the archive remember. To be read; nobody but they writes it."
_FUNCTIONS = (
    "All are in the schema `prop_trading_model`. Who may call one beside its owner stands in the last column, after `dpm_`; "
    "functions without an entry there are parts of others."
)


def schema_pages(relations: Sequence[Relation], routines: Sequence[Routine]) -> dict[str, str]:
    """File name and text of each page; every relation is on exactly one."""
    groups: dict[str, list[Relation]] = {
        "tables": [],
        "model_tables": [],
        "views": [],
        "rollups": [],
        "bookkeeping": [],
    }
    for relation in relations:
        groups[_group(relation)].append(relation)
    return {
        "tables.md": page("Raw tables", _TABLES, *map(_section, groups["tables"])),
        "model_tables.md": page("Tables of the models", _MODEL_TABLES, *map(_section, groups["model_tables"])),
        "views.md": page("Views", _VIEWS, *map(_view, sorted(groups["views"], key=lambda one: one.kind))),
        "rollups.md": page("Rollups", _ROLLUPS, *map(_section, groups["rollups"])),
        "bookkeeping.md": page("Bookkeeping", _BOOKKEEPING, *map(_section, groups["bookkeeping"])),
        "functions.md": page("Functions", _FUNCTIONS, _functions(routines)),
    }


def _group(relation: Relation) -> str:
    if relation.kind != "table":
        return "views"
    if relation.name.startswith("raw_"):
        return "tables"
    if relation.name.startswith("rollup_"):
        return "rollups"
    return "model_tables" if relation.name.startswith(_MODELS) else "bookkeeping"


def _view(relation: Relation) -> str:
    """A live view is its name and what it stands beside."""
    return f"## {relation.name}\n\n{cell(relation.said)}" if relation.name.startswith("live_") else _section(relation)


def _section(relation: Relation) -> str:
    of_table = relation.kind == "table"
    columns = [
        (
            code(column.name),
            code(column.type),
            *((_null(column.nullable), code(column.default)) if of_table else ()),
            cell(column.said),
        )
        for column in relation.columns
    ]
    titles = ["column", "type", *(["null", "default"] if of_table else []), ""]
    parts = [
        f"## {relation.name}",
        cell(relation.said) + (f" Partitioned by {code(relation.partitioned_by)}." if relation.partitioned_by else ""),
        table(titles, columns),
        table(["key or check", ""], [(code(name), code(definition)) for name, definition in relation.rules]),
        table(["further index"], [(code(definition),) for definition in relation.indexes]),
    ]
    return "\n\n".join(part for part in parts if part)


def _null(nullable: bool) -> str:
    return "yes" if nullable else "no"


def _functions(routines: Sequence[Routine]) -> str:
    rows = [
        (
            code(f"{routine.name}({routine.arguments})"),
            code(routine.result),
            cell(routine.said),
            ", ".join(role.removeprefix("dpm_") for role in routine.callers),
        )
        for routine in sorted(routines, key=lambda one: (not one.callers, one.name, one.arguments))
    ]
    return table(["function", "returns", "", "may be called by"], rows)
