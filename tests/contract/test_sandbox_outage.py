from __future__ import annotations

import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError

from bot.sandbox.outage import Outage


def test_database_lets_nobody_write_during_an_outage(database_url: str) -> None:
    """Both kinds: connections that are open fail, new ones as well, and afterwards all is as before."""
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    options = {"timeout": 0} if url.startswith("sqlite") else {}
    engine = sqlalchemy.create_engine(url, pool_pre_ping=False, connect_args=options)
    write = sqlalchemy.text("INSERT INTO t VALUES (1)")
    outage = Outage(database_url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE t (x INTEGER)"))

    outage.begin()
    try:
        for _ in range(2):
            with pytest.raises(OperationalError), engine.begin() as connection:
                connection.execute(write)
    finally:
        outage.end()

    with engine.begin() as connection:
        connection.execute(write)
    engine.dispose()
