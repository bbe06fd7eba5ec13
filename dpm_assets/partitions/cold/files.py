"""The cold side of the reader: DuckDB over the files, with the filter pushed into them."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dpm_assets.errors import DpmError
from dpm_assets.loads.taking import is_url, reach
from dpm_assets.partitions.cold.columns import schema_of
from dpm_assets.partitions.cold.states import ColdPart

if TYPE_CHECKING:
    from dpm_assets.partitions.cold.both_sides import Wanted


_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


class FileGone(Exception):
    """A file is not there, or cannot be read; the sentence says which and why."""


def read_files(parts: Sequence[ColdPart], wanted: "Wanted") -> list[pa.Table]:
    """The wanted rows of the partitions' files. Raises FileGone."""
    if not parts:
        return []
    import duckdb  # only who reads the archive pays for the import

    # A column that was added to the table later is in no older file: files with the same columns are read together.
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for cold in parts:
        alike[tuple(cold.columns or ())].append(cold.location or "")
    with duckdb.connect(config=_CONFIG) as engine:
        try:
            _reach_all(engine, [location for locations in alike.values() for location in locations])
            return [_read(engine, duckdb, locations, names, wanted) for names, locations in alike.items()]
        except (duckdb.Error, OSError) as error:
            raise FileGone(f"A file of the archive cannot be read: {_said(error)}.") from None


def dates_in_files(months: Sequence[ColdPart], keys: pa.Table, correction_days: int | None) -> list[date]:
    """The months that hold a trade of `keys` (account_id, trade_id, new_date) within so many days of its new date.

    Raises DpmError when a file cannot be read.
    """
    import duckdb

    locations = [cold.location or "" for cold in months]
    near = "abs(f.trade_date - k.new_date) <= $days" if correction_days is not None else "true"
    with duckdb.connect(config=_CONFIG) as engine:
        try:
            _reach_all(engine, locations)
            engine.register("keys", keys)
            found = engine.execute(
                "select distinct date_trunc('month', f.trade_date)::date from read_parquet($files, hive_partitioning=false) as f"
                " join keys as k on k.account_id = f.account_id and k.trade_id = f.trade_id"
                f" where f.account_id between $lowest and $highest and {near} order by 1",
                {
                    "files": locations,
                    "lowest": pc.min(keys["account_id"]).as_py(),
                    "highest": pc.max(keys["account_id"]).as_py(),
                    **({"days": correction_days} if correction_days is not None else {}),
                },
            ).fetchall()
        except (duckdb.Error, OSError) as error:
            raise DpmError(
                f"Old copies of the trades could not be looked for in the archive: {_said(error)}. "
                "Nothing was loaded. See that its files can be read, and load again."
            ) from None
    return [row[0] for row in found]


def _reach_all(engine: Any, locations: list[str]) -> None:
    for scheme in {location.split("://")[0] for location in locations if is_url(location)}:
        filesystem, _ = reach(next(location for location in locations if location.startswith(f"{scheme}://")))
        engine.register_filesystem(filesystem)


def _read(engine: Any, duckdb: Any, locations: list[str], names: tuple[str, ...], wanted: "Wanted") -> pa.Table:
    def one_of(expression: Any, values: Sequence[str]) -> Any:
        return expression.isin(*map(duckdb.ConstantExpression, values))

    # By name: the type of a column that was widened since is that of the widest file. The first file's would be taken for all
    # otherwise, and what does not fit into it rounded.
    rows = engine.read_parquet(locations, hive_partitioning=False, union_by_name=True)
    asked, day = wanted.asked, duckdb.ColumnExpression(wanted.table.day)
    conditions = []
    if asked.first_day is not None:
        conditions.append(day >= duckdb.ConstantExpression(asked.first_day))
    if asked.last_day is not None:
        conditions.append(day <= duckdb.ConstantExpression(asked.last_day))
    if asked.accounts is not None:
        account = duckdb.ColumnExpression("account_id")
        conditions.append(one_of(account, asked.accounts) if asked.accounts else duckdb.ConstantExpression(False))
    if asked.symbols is not None:
        key = duckdb.CoalesceOperator(
            duckdb.ColumnExpression("std_symbol"), duckdb.ColumnExpression("symbol"), duckdb.ConstantExpression("")
        )
        conditions.append(one_of(key, asked.symbols) if asked.symbols else duckdb.ConstantExpression(False))
    for condition in conditions:
        rows = rows.filter(condition)
    # A file that has none of the columns still tells how many rows there are.
    there = [column.name for column in wanted.columns if column.name in names] or [names[0]]
    table = rows.select(*map(duckdb.ColumnExpression, there)).to_arrow_table()
    for column in wanted.columns:
        if column.name not in table.column_names:
            table = table.append_column(column.name, pa.nulls(table.num_rows, column.arrow))
    return table.select([column.name for column in wanted.columns]).cast(schema_of(wanted.columns))


def _said(error: Exception) -> str:
    """DuckDB quotes the whole traceback of a file system of Python's: what it says stands at the end."""
    text = str(error).strip()
    return " ".join((text.splitlines()[-1] if "Traceback" in text else text).split()).rstrip(".")
