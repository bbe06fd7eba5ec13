"""What reading costs: parsers of delimited text and JSON lines side by side, and our whole reading of each format.

    pip install polars duckdb orjson      # only to compare with; the warehouse needs none of them
    python bench/parsing.py [--trades 300000] [--rounds 3]

Rows per second of processor time on one thread, the best of the rounds: the sample's trades from CSV, JSON lines and
Parquet. `exact` tells whether the number 12345678901234567.89 comes out of JSON lines as it went in. The last lines are
the loader's own: parsing, judging and encoding for COPY, without a database.
"""

import argparse
import csv
import importlib
import io
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["POLARS_MAX_THREADS"] = "1"  # read when polars is imported

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from dpm_assets.calendar import parse_month
from dpm_assets.loads.encoding import copy_lines
from dpm_assets.loads.feeds import TRADES, Number
from dpm_assets.loads.header import read_header
from dpm_assets.loads.reading import open_pieces, sieve_for
from dpm_assets.loads.source import look_at
from dpm_assets.samples import write_sample

LONG = "12345678901234567.89"
NUMBERS = {column.name for column in TRADES.columns if isinstance(column.type, Number)}
BLOCK = 2 * 1024 * 1024

Parser = Callable[[Path, list[str]], Any]


def as_json_lines(source: Path, target: Path) -> None:
    with source.open(encoding="utf-8", newline="") as given, target.open("w", encoding="utf-8") as file:
        for row in csv.DictReader(given):
            file.write(json.dumps({name: value or None for name, value in row.items()}) + "\n")
    text = target.read_text(encoding="utf-8")
    for name in NUMBERS:
        head, *parts = text.split(f'"{name}": "')
        text = head + "".join(f'"{name}": ' + part.replace('"', "", 1) for part in parts)
    target.write_text(text, encoding="utf-8")


def csv_pyarrow(path: Path, names: list[str]) -> None:
    options = pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), check_utf8=False)
    for _ in pa.csv.open_csv(path, pa.csv.ReadOptions(use_threads=False, block_size=BLOCK), convert_options=options):
        pass


def csv_polars(path: Path, names: list[str]) -> None:
    polars = importlib.import_module("polars")
    polars.read_csv(path, schema=dict.fromkeys(names, polars.String))


def csv_duckdb(path: Path, names: list[str]) -> None:
    _duckdb("read_csv(?, all_varchar = true, header = true)", path)


def json_pyarrow(path: Path, names: list[str]) -> Any:
    """Numbers as decimals: as floats they would not be exact."""
    schema = pa.schema([(name, pa.decimal128(38, 10) if name in NUMBERS else pa.string()) for name in names])
    options = pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    table = pa.json.read_json(path, pa.json.ReadOptions(use_threads=False, block_size=BLOCK), options)
    return table.column("profit").cast(pa.string())[0].as_py().rstrip("0")


def json_polars(path: Path, names: list[str]) -> Any:
    polars = importlib.import_module("polars")
    return polars.read_ndjson(path, schema=dict.fromkeys(names, polars.String))["profit"][0]


def json_duckdb(path: Path, names: list[str]) -> Any:
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in names)
    return _duckdb(f"read_json(?, format = 'newline_delimited', columns = {{{columns}}})", path)


def json_orjson(path: Path, names: list[str]) -> Any:
    """One object a line, without making columns of them."""
    loads = importlib.import_module("orjson").loads
    with path.open("rb") as file:
        rows = [loads(line) for line in file]
    return str(rows[0]["profit"])


def json_msgspec(path: Path, names: list[str]) -> Any:
    """One object a line with its values' own text, without making columns of them."""
    row = msgspec.defstruct("Row", [(name, msgspec.Raw) for name in names], gc=False)
    decoder = msgspec.json.Decoder(row)
    with path.open("rb") as file:
        rows = [decoder.decode(line) for line in file]
    return bytes(rows[0].profit).decode()


def _duckdb(reader: str, path: Path) -> Any:
    connection = importlib.import_module("duckdb").connect()
    connection.execute("set threads = 1")
    connection.execute(f"create temporary table rows as select * from {reader}", [str(path)])
    has_profit = connection.execute("select profit from rows limit 1").fetchone()
    return has_profit[0]


PARSERS: dict[str, list[Parser]] = {
    "csv": [csv_pyarrow, csv_polars, csv_duckdb],
    "jsonl": [json_pyarrow, json_polars, json_duckdb, json_orjson, json_msgspec],
}


def ours(path: Path, names: list[str]) -> None:
    source = look_at(path)
    header = read_header(source, "trades")
    sieve = sieve_for(header)
    with open_pieces(source, header) as (pieces, _):
        for piece in pieces:
            for rows in sieve.sift(piece).rows:
                copy_lines(rows, rows.schema.names, {})


def best(parse: Parser, path: Path, names: list[str], rounds: int) -> float:
    """Seconds of processor time."""
    seconds = []
    for _ in range(rounds):
        begun = time.process_time()
        parse(path, names)
        seconds.append(time.process_time() - begun)
    return min(seconds)


def is_exact(parse: Parser, path: Path, names: list[str], folder: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        row = file.readline()
    profit = row.split('"profit": ')[1].split(",")[0]
    (folder / "long.jsonl").write_text(row.replace(f'"profit": {profit}', f'"profit": {LONG}'), encoding="utf-8")
    return parse(folder / "long.jsonl", names) == LONG


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--trades", type=int, default=300_000)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory(prefix="dpm-bench-") as name:
        folder = Path(name)
        write_sample(folder / "s", trades=given.trades, months=1, start=parse_month("2024-01"), seed=1)
        [path] = (folder / "s" / "trades").glob("*.csv")
        files = {"csv": path, "jsonl": folder / "t.jsonl", "parquet": folder / "t.parquet"}
        as_json_lines(path, files["jsonl"])
        pa.parquet.write_table(pa.csv.read_csv(path), files["parquet"])
        with path.open(encoding="utf-8") as file:
            names = next(csv.reader(io.StringIO(file.readline())))
        for kind, parsers in PARSERS.items():
            for parse in parsers:
                try:
                    rate = given.trades / best(parse, files[kind], names, given.rounds)
                    exact = kind == "csv" or is_exact(parse, files[kind], names, folder)
                except ImportError as missing:
                    print(f"{parse.__name__:16} not measured: {missing}")
                    continue
                print(f"{parse.__name__:16} {rate:10,.0f} rows/s{'' if exact else '   not exact'}")
        for kind, path in files.items():
            print(f"ours, {kind:10} {given.trades / best(ours, path, names, given.rounds):10,.0f} rows/s", flush=True)


if __name__ == "__main__":
    main()
