"""Functions of the engine without what they are there for, in the database of one test."""

from tests.interleaving import Connection


def empty(conn: Connection, function: str, returns: str, body: str = "begin return; end") -> None:
    """Leave only `body` in a function. It has to be there: a mutation of what is gone proves nothing."""
    _check_there(conn, function)
    signature = conn.execute(
        "select proname || '(' || pg_get_function_arguments(oid) || ')' from pg_proc where oid = %s::regprocedure",
        [f"prop_trading_model.{function}"],
    ).fetchone()
    assert signature
    conn.execute(
        f"create or replace function prop_trading_model.{signature[0]} returns {returns}"
        f" language plpgsql as $mutation$ {body} $mutation$".encode()
    )


def edit(conn: Connection, function: str, part: str, instead: str) -> None:
    """Write `instead` wherever `part` stands in a function, which must be somewhere."""
    _check_there(conn, function)
    definition = conn.execute(
        "select pg_get_functiondef(%s::regprocedure)", [f"prop_trading_model.{function}"]
    ).fetchone()
    assert definition and part in definition[0], f"{function} has no {part!r}: this mutation has to follow the engine"
    conn.execute(definition[0].replace(part, instead).encode())


def _check_there(conn: Connection, function: str) -> None:
    there = conn.execute("select to_regprocedure(%s)", [f"prop_trading_model.{function}"]).fetchone()
    assert there and there[0], f"there is no {function} to switch off: this mutation has to follow the engine"
