"""The columns of an asset for the UI: schema, descriptions, and where each column comes from."""

from itertools import groupby
from typing import Any

import dagster as dg

from dpm_assets.columns.file import DescribedColumn, columns


def column_metadata(table: str) -> dict[str, Any]:
    """Schema and lineage of a table, rollup, view or function's rows, as metadata of its definition.

    The UI draws no lineage of columns, so each description also says in words what its column is made from.
    """
    found = columns()[table]
    schema = dg.TableSchema(
        columns=[dg.TableColumn(column.name, column.type, _description(column)) for column in found]
    )
    if not any(column.made_from for column in found):
        return {"dagster/column_schema": schema}
    lineage = dg.TableColumnLineage(
        {
            column.name: [dg.TableColumnDep(*source.split(".")) for source in column.made_from]
            for column in found
            if column.made_from
        }
    )
    return {"dagster/column_schema": schema, "dagster/column_lineage": lineage}


def tables_read(table: str) -> list[str]:
    """The assets that the columns of a rollup or view are made from."""
    return sorted({source.split(".")[0] for column in columns()[table] for source in column.made_from})


def _description(column: DescribedColumn) -> str:
    if not column.made_from:
        return column.description
    sources = groupby(column.made_from, key=lambda source: source.split(".")[0])
    made_from = "; ".join(
        f"[{source}](/assets/{source}): {', '.join(each.split('.')[1] for each in named)}" for source, named in sources
    )
    return f"{column.description} \u2190 {made_from}"
