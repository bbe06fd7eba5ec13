"""Each mechanism that keeps the refresh exact, a way to switch it off in a database, and the permutations that guard it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests import steps, writers
from tests.permutations import Permutation
from tests.stage import Stage
from tests.switching_off import empty

_LEAVES = "select inhrelid::regclass::text from pg_inherits where inhparent = 'raw_trades_closed'::regclass"
_ROLLUP = "rollup_account_symbol_day"


@dataclass(frozen=True)
class Mutation:
    """A mechanism that is switched off, and what each of its guards must say then (a pattern)."""

    name: str
    switch_off: Callable[[Stage], Any]
    guards: tuple[Permutation, ...]
    says: str = "Difference"

    def __str__(self) -> str:
        return self.name.replace(" ", "_")


def _run(statements: str) -> Callable[[Stage], Any]:
    return lambda stage: stage.observer.execute(statements.encode())


def _drop_leaf_triggers(*triggers: str) -> Callable[[Stage], None]:
    def drop(stage: Stage) -> None:
        for (leaf,) in stage.observer.execute(_LEAVES).fetchall():
            for trigger in triggers:
                stage.observer.execute(f"drop trigger {trigger} on {leaf}")

    return drop


def _drop_truncate_triggers(stage: Stage) -> None:
    stage.observer.execute("drop trigger log_truncate on raw_trades_closed")
    _drop_leaf_triggers("log_truncate")(stage)


def _emptied(function: str, returns: str, body: str = "begin return; end") -> Callable[[Stage], None]:
    """A function of the engine with only `body` left in it."""
    return lambda stage: empty(stage.observer, function, returns, body)


def _with_trigger(name: str, event: str, body: str) -> Callable[[Stage], Any]:
    return _run(
        f"create function prop_trading_model.{name}() returns trigger language plpgsql"
        f" set search_path = prop_trading_model as $$ begin {body} end $$;"
        f" create trigger zz_{name} {event} execute function prop_trading_model.{name}()"
    )


MUTATIONS = (
    Mutation(
        "the triggers of the parent",
        _run(
            "drop trigger log_insert on raw_trades_closed; drop trigger log_update on raw_trades_closed;"
            " drop trigger log_delete on raw_trades_closed"
        ),
        (
            Permutation(writers.INSERT, steps.BITE_WRITTEN),
            Permutation(writers.MOVE, steps.BITE_WRITTEN),
            Permutation(writers.DELETE, steps.KEYS_TAKEN, timing="outlasts"),
        ),
    ),
    Mutation(
        "the triggers of the leaves",
        _drop_leaf_triggers("log_insert", "log_update", "log_delete"),
        tuple(Permutation(writer, steps.BITE_WRITTEN) for writer in writers.INTO_A_LEAF),
    ),
    Mutation(
        "the triggers that a leaf gets when a refresh finds it",
        _emptied("dress_leaf(regclass, regclass)", "void"),
        (Permutation(writers.ATTACH, steps.KEYS_TAKEN),),
    ),
    Mutation(
        "the triggers that fire for a replica",
        _run("alter table raw_trades_closed enable trigger log_update"),
        (Permutation(writers.PLAYS_REPLICA, steps.BITE_WRITTEN),),
    ),
    Mutation(
        "the mark of a truncate",
        _drop_truncate_triggers,
        (
            Permutation(writers.TRUNCATE_LEAF, steps.KEYS_TAKEN),
            Permutation(writers.TRUNCATE_PARENT, steps.KEYS_TAKEN),
        ),
        "left no trace in the log of months",
    ),
    Mutation(
        "the comparison of the catalogue",
        _emptied("compare_leaves()", "integer", "begin return 0; end"),
        tuple(Permutation(writer, steps.BITE_WRITTEN) for writer in (writers.ATTACH, writers.DETACH, writers.DROP)),
        "still pending",
    ),
    Mutation(
        "the refresh lock",
        _emptied("lock_refresh()", "void"),
        (Permutation(writers.SECOND_VIEWS, steps.WRITING[_ROLLUP]),),
        "did not wait for the refresh",
    ),
    Mutation(
        "taking keys before reading raw rows, not after",
        _with_trigger(
            "take_late",
            "after insert on refresh_log for each statement",
            "delete from changed_account_days as c using refresh_keys as k"
            " where c.account_id = k.account_id and c.trade_date = k.trade_date; return null;",
        ),
        (
            Permutation(writers.UPDATE, steps.WRITTEN[_ROLLUP]),
            Permutation(writers.DELETE, steps.BITE_WRITTEN),
            Permutation(writers.COPY, steps.BITE_WRITTEN, timing="opened before"),
        ),
    ),
    Mutation(
        "recomputing the keys that were taken",
        _with_trigger(
            "forget_keys", "after insert on refresh_keys for each statement", "delete from refresh_keys; return null;"
        ),
        (Permutation(writers.UPDATE, steps.KEYS_TAKEN), Permutation(writers.MOVE, steps.BITE_WRITTEN)),
    ),
    Mutation(
        "counting the generations of inputs",
        _with_trigger("stand_still", "before update on input_generations for each row", "return null;"),
        (Permutation(writers.ACCOUNTS, steps.BEFORE_THE_VIEWS), Permutation(writers.UPDATE, steps.KEYS_TAKEN)),
    ),
    Mutation(
        "noting the generations that a view was made from",
        _with_trigger(
            "note_too_much",
            "before update on view_inputs for each row",
            "new.made_from := new.made_from + 1; return new;",
        ),
        (Permutation(writers.PLANS, steps.BEFORE_THE_LAST_COMMIT),),
        "still pending|Difference",
    ),
    Mutation(
        "moving the trailing windows",
        _emptied(
            "move_recent_window(date)",
            "bigint",
            "begin update prop_trading_model.recent_window as w set last_day = $1; return 0; end",
        ),
        (Permutation(writers.MIDNIGHT, steps.BEFORE_THE_VIEWS), Permutation(writers.MIDNIGHT, steps.VIEWS_WRITTEN)),
    ),
    Mutation(
        "making the newest snapshots of accounts anew",
        _emptied("refresh_latest_account()", "bigint", "begin return 0; end"),
        (Permutation(writers.ACCOUNTS, steps.BEFORE_THE_VIEWS),),
    ),
    Mutation(
        "the trigger of the plans",
        _run("drop trigger log_input on raw_plans_data"),
        (Permutation(writers.PLANS, steps.VIEWS_WRITTEN),),
    ),
    Mutation(
        "the trigger of the regimes",
        _run("drop trigger log_input on raw_regimes_daily"),
        (Permutation(writers.REGIME_CORRECTED, steps.VIEWS_WRITTEN),),
    ),
)
