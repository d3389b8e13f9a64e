"""Log lines: one event a line, whatever is in the fields."""

import logging

from openlockbox.gateway.logs import FieldFormatter, FieldLogger


def lines(caplog, **fields):
    caplog.set_level(logging.INFO)
    FieldLogger("openlockbox.test").info("something.happened", **fields)
    return FieldFormatter().format(caplog.records[-1]).splitlines()


def test_fields_given_in_the_standard_way_are_written_too(caplog):
    logging.getLogger("openlockbox.test").warning("other.event", extra={"session_id": "se-1"})
    assert FieldFormatter().format(caplog.records[-1]).endswith("warning other.event session_id=se-1")


def test_a_field_cannot_begin_a_line_or_fake_another_field(caplog):
    (line,) = lines(caplog, session_id="se-1", detail='x\nERROR forged y=1 "')
    assert line.endswith(r'info something.happened session_id=se-1 detail="x\nERROR forged y=1 \""')
