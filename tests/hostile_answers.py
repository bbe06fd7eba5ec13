"""What a load answers to a hostile input, in the form of the table of docs/security.md.

As a program, `python -m tests.hostile_answers URL FILE...`, it loads files in a process that does nothing else, and prints the
answer to each with the most memory that the process has taken until then, as JSON.
"""

import csv
import io
import json
import sys
from pathlib import Path
from string import ascii_letters

from dpm_assets.database import Database
from dpm_assets.loads.exporting import export_rejects
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.load import load_file
from dpm_assets.loads.result import LoadResult
from dpm_assets.loads.taking import public_name
from dpm_assets.printing import in_one_line
from tests.trade_rows import rows, value


def empty(db: Database) -> None:
    with db.connection(None) as conn:
        conn.execute("truncate raw_trades_closed, raw_regimes_daily, load_batches, load_rejects, load_corrections")


def loaded(db: Database, path: Path, shows: str = "") -> str:
    try:
        result = load_file(db, path)
    except FileRefused as refused:
        assert stored(db) == 0
        return f"refused: {of_file(str(refused), path)}"
    return told(db, result, path, shows)


def told(db: Database, result: LoadResult, path: Path, shows: str = "") -> str:
    """A load's answer; `shows` is a column whose value is told too. Each row of the file is stored, or in the quarantine."""
    if result.status == "refused":
        assert stored(db) == 0
        return f"refused: {of_file(result.message, path)}"
    kept = result.rows_inserted + result.rows_duplicate + result.rows_updated
    assert kept + result.rows_rejected == result.rows_read and stored(db) == result.rows_inserted
    assert value(db, "select count(*) from load_rejects") == result.rows_rejected
    said = [f"{result.rows_inserted:,} loaded"]
    for symbol, account in rows(db, "select symbol, account_id from raw_trades_closed where trade_id = 'T1'"):
        with path.open("rb") as file:
            as_it_stands = file.read(1024 * 1024)
        if (
            (symbol, account) != ("EURUSD", "A1")
            and symbol.encode() in as_it_stands
            and account.encode() in as_it_stands
        ):
            said[0] += ", as they are written"
    if shows:
        said[0] += f", {shows} as {value(db, f'select {shows} from raw_trades_closed where trade_id = $$T1$$')}"
    said += [f"line {line:,} rejected: {reason}" for line, reason in result.rejects]
    return of_file("; ".join([*said, *filter(None, [result.message])]), path)


def stored(db: Database) -> int:
    return int(value(db, "select (select count(*) from raw_trades_closed) + (select count(*) from raw_regimes_daily)"))


def of_file(text: str, path: Path) -> str:
    """The text without what differs from one run to the next."""
    text = text.replace(public_name(path), "FILE").replace(public_name(path.parent), "FOLDER")
    return text.removesuffix(".")


def exported(db: Database, path: Path) -> str:
    """What stands in an export of the one row at fault for a spreadsheet; into a file that is to be loaded it goes as it is."""
    at_fault = path.read_bytes().decode().removesuffix("\n").split("\n", 2)[2]
    batch = value(db, "select batch_id from load_rejects")
    _, plain = export_rejects(db, batch)
    assert plain.endswith(f",{at_fault}")
    marked = list(csv.reader(io.StringIO("\n".join(export_rejects(db, batch, for_spreadsheet=True)), newline="")))[1]
    [given] = csv.reader(io.StringIO(at_fault, newline=""))
    changed = [shown for shown, cell in zip(marked[2:], given, strict=True) if shown != cell]
    assert marked[1].startswith(("'", *ascii_letters))  # the reason
    return f"exported for a spreadsheet with {in_one_line(', '.join(changed)) or 'every cell as it is'}"


def main() -> None:
    with Database(sys.argv[1]) as db:
        for path in map(Path, sys.argv[2:]):
            empty(db)
            sys.stdout.write(json.dumps([loaded(db, path), _peak()]) + "\n")


def _peak() -> int:
    """Bytes; ru_maxrss would count the memory of the process that started this one."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
