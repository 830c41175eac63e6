"""Brings a database to the newest tables; several replicas may start at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import TrailError
from bot.store.database import Database

_LOCK = 0x5197A1B0
_HERE = Path(__file__).parent / "migrations"


def migrate(database: Database) -> None:
    """Upgrade to the newest revision. Raises TrailError when the database does not answer."""
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    try:
        with database.writing() as connection:
            if not database.sqlite:
                connection.execute(text(f"select pg_advisory_xact_lock({_LOCK})"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise TrailError(
            f"The database's tables could not be brought up to date: {str(error).splitlines()[0]}.",
            then="Check SIGNALBOX_DATABASE_URL and the database.",
        ) from error
