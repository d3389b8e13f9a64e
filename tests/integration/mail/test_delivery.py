"""Delivery from the outbox to a real SMTP server: nothing is lost, and what is doubled is the same mail."""

# pytest passes fixtures by name.
# ruff: noqa: PLR0917

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from openlockbox.adapters.mail.smtp import SmtpMailer
from openlockbox.domain.principal import Principal, PrincipalState
from openlockbox.services.delivery import CLAIM, LAST_RETRY, Delivered, back_off, deliver_due
from openlockbox.testing.smtp_server import SmtpServer


class Killed(BaseException):
    """The process ends here: nothing may catch it."""


def test_a_due_row_is_sent_once_and_marked(database, server: SmtpServer, mailer: SmtpMailer, clock, new_row) -> None:
    database.put(new_row("k"))
    assert deliver_due(database, mailer, clock=clock) == Delivered(sent=1)
    assert deliver_due(database, mailer, clock=clock) == Delivered()
    clock.forward(days=1)
    assert deliver_due(database, mailer, clock=clock) == Delivered()
    assert len(server.messages) == 1
    assert server.messages[0].recipients == ("nadia@ambertide.example",)
    assert database.row("k").done_at is not None


def test_a_row_that_is_not_due_waits(database, server, mailer, clock, new_row) -> None:
    database.put(new_row("k", due_at=clock.now + timedelta(seconds=1)))
    assert deliver_due(database, mailer, clock=clock).rows == 0
    clock.forward(seconds=1)
    assert deliver_due(database, mailer, clock=clock).sent == 1


def test_a_call_sends_no_more_than_its_limit(database, server, mailer, clock, new_row) -> None:
    for n in range(3):
        database.put(new_row(f"k{n}"))
    assert deliver_due(database, mailer, clock=clock, limit=2).sent == 2
    assert deliver_due(database, mailer, clock=clock, limit=2).sent == 1
    assert len({m.message_id for m in server.messages}) == 3


def test_nothing_is_lost_while_the_server_is_down(database, server: SmtpServer, mailer, clock, new_row) -> None:
    database.put(new_row("k"))
    server.stop()
    for _ in range(10):
        assert deliver_due(database, mailer, clock=clock) == Delivered(delayed=1)
        assert "ConnectionRefused" in database.row("k").last_error
        clock.now = database.row("k").due_at
    server.start()
    assert deliver_due(database, mailer, clock=clock) == Delivered(sent=1)
    assert len(server.messages) == 1
    assert database.undelivered() == 0


def test_a_450_is_tried_again_after_a_growing_wait(database, server: SmtpServer, mailer, clock, new_row) -> None:
    database.put(new_row("k"))
    server.recipient_reply = "450 Mailbox busy"
    waits = []
    for _ in range(9):
        assert deliver_due(database, mailer, clock=clock) == Delivered(delayed=1)
        waits.append((database.row("k").due_at - clock.now).total_seconds())
        clock.now = database.row("k").due_at - timedelta(seconds=1)
        assert deliver_due(database, mailer, clock=clock).rows == 0
        clock.forward(seconds=1)
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert database.row("k").last_error == "450 Mailbox busy"
    server.recipient_reply = "250 OK"
    assert deliver_due(database, mailer, clock=clock) == Delivered(sent=1)


def test_a_451_after_the_data_is_tried_again(database, server: SmtpServer, mailer, clock, new_row) -> None:
    database.put(new_row("k"))
    server.data_reply = "451 Later"
    assert deliver_due(database, mailer, clock=clock) == Delivered(delayed=1)
    assert not server.messages


@pytest.mark.parametrize("where", ["recipient_reply", "data_reply"])
def test_a_550_ends_it_with_the_reason_noted(database, server: SmtpServer, mailer, clock, new_row, where: str) -> None:
    database.put(new_row("k"))
    setattr(server, where, "550 No such person")
    assert deliver_due(database, mailer, clock=clock) == Delivered(refused=1)
    row = database.row("k")
    assert row.done_at == clock.now
    assert row.last_error == "550 No such person"
    clock.forward(days=1)
    assert deliver_due(database, mailer, clock=clock).rows == 0


def test_one_bad_row_does_not_hold_up_the_others(database, server: SmtpServer, mailer, clock, new_row) -> None:
    database.put(new_row("bad", template="no_such_template"))
    database.put(new_row("worse", values={}))
    database.put(new_row("good"))
    assert deliver_due(database, mailer, clock=clock) == Delivered(sent=1, delayed=2)
    assert database.row("bad").done_at is None
    assert "no_such_template" in database.row("bad").last_error


@pytest.mark.parametrize("recipient", ["gone", "disabled"])
def test_who_has_left_gets_no_mail(
    database, server: SmtpServer, mailer, clock, new_row, new_principal, recipient
) -> None:
    database.add(new_principal("disabled", state=PrincipalState.DISABLED))
    database.put(new_row("k", recipient=recipient))
    assert deliver_due(database, mailer, clock=clock) == Delivered(refused=1)
    assert not server.messages


def test_a_crash_after_sending_doubles_the_mail_under_one_message_id(
    database, server: SmtpServer, mailer: SmtpMailer, clock, new_row
) -> None:
    class DiesAfterSending:
        def send(self, recipient: Principal, template: str, values: Mapping[str, str], *, key: str) -> None:
            mailer.send(recipient, template, values, key=key)
            raise Killed

    database.put(new_row("k"))
    with pytest.raises(Killed):
        deliver_due(database, DiesAfterSending(), clock=clock)
    assert database.undelivered() == 1
    assert deliver_due(database, mailer, clock=clock).rows == 0  # another worker leaves the claimed row alone
    clock.forward(seconds=CLAIM.total_seconds())
    assert deliver_due(database, mailer, clock=clock) == Delivered(sent=1)
    first, second = server.messages
    assert first.message_id == second.message_id
    assert first.text == second.text
    assert database.undelivered() == 0


def test_a_crash_before_sending_loses_nothing(database, server: SmtpServer, mailer, clock, new_row) -> None:
    class DiesBeforeSending:
        def send(self, *_: Any, **__: Any) -> None:
            raise Killed

    database.put(new_row("k"))
    with pytest.raises(Killed):
        deliver_due(database, DiesBeforeSending(), clock=clock)
    clock.forward(seconds=CLAIM.total_seconds())
    assert deliver_due(database, mailer, clock=clock) == Delivered(sent=1)
    assert len(server.messages) == 1


def test_no_transaction_is_open_while_a_mail_is_sent(database, clock, new_row) -> None:
    class Looks:
        def send(self, *_: Any, **__: Any) -> None:
            assert database.open == 0

    database.put(new_row("k"))
    assert deliver_due(database, Looks(), clock=clock).sent == 1


def test_the_back_off_never_passes_its_cap() -> None:
    assert back_off(10_000) == LAST_RETRY


def test_two_rows_have_two_message_ids(
    database, server: SmtpServer, mailer, clock, new_row: Callable[..., Any]
) -> None:
    database.put(new_row("a"))
    database.put(new_row("b"))
    deliver_due(database, mailer, clock=clock)
    first, second = server.messages
    assert first.message_id != second.message_id
