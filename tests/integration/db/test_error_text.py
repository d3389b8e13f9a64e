"""What people wrote, and what stands for their passwords, is not in the text of a database's error: errors are logged."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from openlockbox.services.ports import Database


def test_an_errors_text_has_no_values(sql_database: Database) -> None:
    with sql_database.engine.connect() as connection, pytest.raises(SQLAlchemyError) as error:  # type: ignore[attr-defined]
        connection.execute(text("SELECT no_such_column FROM tenant WHERE id = :secret"), {"secret": "do-not-log-me"})
    assert "do-not-log-me" not in str(error.value)
