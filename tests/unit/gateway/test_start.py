"""A session's start: only the log's own proof of the gateway's own words counts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from openlockbox.grants.session_start import SessionStart
from openlockbox.grants.verify import VerificationRefused
from openlockbox.verification.logged import Recorded, StartEntry, check_start_logged
from tests.unit.grants.log_material import NaiveLog
from tests.unit.grants.material import CHECKPOINTS, NOW, STRANGER, TENANT, TRUST, log_with, pin_of, statement, unsigned

STATEMENT = "olbx1.session-start.x"
START = SessionStart(
    session_id="se-1",
    grant_id="gr-1",
    tenant_id=TENANT,
    gateway_id="gw-1",
    engineer_id="principal-eng",
    front="browser",
    at=NOW,
)
ABOUT = StartEntry("/subscriptions/s/vm", "gateway-key")
TRUE = {
    "actor": "gateway:gw-1",
    "resource": ABOUT.resource_id,
    "detail": {"grant": "gr-1", "engineer": "principal-eng", "front": "browser", "gateway_key": ABOUT.gateway_key},
}


def started(log=None, *, signer=CHECKPOINTS, seen=5, subject="session:se-1", document=STATEMENT, words=None, **changes):
    log = log or log_with(unsigned(statement()))
    index = log.append("session.started", subject, document=document, **({"at": NOW} | TRUE | (words or {})))
    size = len(log.leaves)
    shown = Recorded(
        index=index,
        leaf=log.leaves[index],
        checkpoint=log.checkpoint(signer, size),
        inclusion=tuple(log.inclusion(index, size)),
        consistency=tuple(log.consistency(seen, size)),
    )
    return replace(shown, **changes)


def pinned(seen=5):
    return pin_of(None, log_with(unsigned(statement())), seen)


def check(shown, pin=None):
    return check_start_logged(shown, trust=TRUST, pin=pin or pinned(), start=START, statement=STATEMENT, about=ABOUT)


def test_a_proved_start_moves_the_pin_to_the_log_that_holds_it():
    log = log_with(unsigned(statement()))
    moved = check(started(log))
    assert (moved.log_size, moved.log_root) == (8, log.root().hex())


def test_a_start_at_the_first_contact_counts():
    assert check(started(seen=0), pin_of(None)).log_size == 8


def forked():
    other = NaiveLog(TENANT)
    other.append("request.created", "request:another", at=NOW)
    other.leaves.extend(log_with(unsigned(statement())).leaves[1:])
    return other


@pytest.mark.parametrize(
    "shown, code",
    [
        (started(subject="session:se-2"), "start_not_logged"),
        (started(document="another"), "start_not_logged"),
        (started(leaf=b"{}"), "start_not_logged"),
        (started(words={"actor": "gateway:gw-2"}), "start_not_logged"),
        (started(words={"resource": "/subscriptions/s/other"}), "start_not_logged"),
        (started(words={"at": NOW - timedelta(minutes=2)}), "start_not_logged"),
        (started(words={"detail": TRUE["detail"] | {"grant": "gr-2"}}), "start_not_logged"),
        (started(words={"detail": TRUE["detail"] | {"engineer": "principal-else"}}), "start_not_logged"),
        (started(words={"detail": TRUE["detail"] | {"front": "native"}}), "start_not_logged"),
        (started(words={"detail": TRUE["detail"] | {"gateway_key": "other"}}), "start_not_logged"),
        (started(index=3), "start_not_logged"),
        (started(signer=STRANGER), "checkpoint_wrong"),
        (started(checkpoint="x"), "checkpoint_wrong"),
        (started(inclusion=()), "inclusion_wrong"),
        (started(consistency=()), "log_forked"),
        (started(forked()), "log_forked"),
    ],
)
def test_a_start_that_is_not_proved_is_refused(shown, code):
    with pytest.raises(VerificationRefused) as refused:
        check(shown)
    assert refused.value.code == code


def test_an_entry_of_before_does_not_count_again():
    shown = started()
    with pytest.raises(VerificationRefused) as refused:
        check(shown, check(shown))
    assert refused.value.code == "log_rolled_back"


def test_another_tenants_entry_does_not_count():
    with pytest.raises(VerificationRefused) as refused:
        check(started(), replace(pinned(), tenant_id="fabrikam"))
    assert refused.value.code == "start_not_logged"
