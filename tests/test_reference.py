"""The pages of docs/reference are what this installation is, and nothing in it goes without a description."""

from dpm_assets.alerts.settings import AlertSettings
from dpm_assets.database import Database
from dpm_assets.reference.catalogue import relations, routines
from dpm_assets.reference.commands import commands, parameters
from dpm_assets.reference.pages import FOLDER, reference_pages
from dpm_assets.settings import Settings


def pages(db: Database) -> dict[str, str]:
    with db.connection(None) as conn:
        return reference_pages(conn)


def test_the_committed_pages_are_those_that_would_be_written(db: Database) -> None:
    """Otherwise: make docs"""
    written = pages(db)
    committed = {page.name: page.read_text(encoding="utf-8") for page in FOLDER.glob("*.md")}
    assert sorted(committed) == sorted(written)
    assert [name for name in written if written[name] != committed[name]] == []


def test_a_table_that_changes_changes_its_page(db: Database) -> None:
    before = pages(db)
    with db.connection(None) as conn:
        conn.execute("alter table prop_trading_model.raw_plans_data add column colour text check (colour <> 'red')")
        conn.execute("comment on column prop_trading_model.raw_plans_data.colour is 'Of the plan.'")
    after = pages(db)
    assert [name for name in after if after[name] != before[name]] == ["tables.md"]
    assert "| `colour` | `text` | yes |  | Of the plan. |" in after["tables.md"]
    assert "`CHECK ((colour <> 'red'::text))`" in after["tables.md"]


def test_every_command_argument_and_option_says_what_it_is_for() -> None:
    silent = [name for name, command in commands() if not command.help]
    silent += [
        f"{name} {parameter.name}"
        for name, command in commands()
        for parameter in parameters(command)
        if not parameter.help
    ]
    assert len(list(commands())) > 30
    assert silent == []


def test_every_setting_says_what_it_is_for() -> None:
    fields = Settings.model_fields | AlertSettings.model_fields
    assert [name for name, field in fields.items() if not field.description] == []


def test_every_table_column_and_function_has_a_comment(db: Database) -> None:
    """Otherwise: sql/comments"""
    with db.connection(None) as conn:
        tables, functions = relations(conn), routines(conn)
    silent = [table.name for table in tables if not table.said]
    silent += [f"{table.name}.{column.name}" for table in tables for column in table.columns if not column.said]
    silent += [f"{function.name}({function.arguments})" for function in functions if not function.said]
    assert len(tables) > 60 and len(functions) > 140
    assert silent == []
