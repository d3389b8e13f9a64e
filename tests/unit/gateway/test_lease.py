"""The lease: only a list that is signed, new, and just made renews it, and it runs out by the monotonic clock."""

from datetime import timedelta

import pytest

from openlockbox.gateway.lease import HighestVersion, Lease, LeaseRefused
from openlockbox.grants.revocations import seal_revocations
from tests.unit.gateway.stage import Stage
from tests.unit.grants.material import GRANTS, TRUST, revocation_list

SECOND = timedelta(seconds=1)


def refused(stage, text):
    before = (stage.lease.revocations, stage.lease.age())
    with pytest.raises(LeaseRefused) as refusal:
        stage.lease.accept(text, asked_at=stage.hand.seconds)
    assert (stage.lease.revocations, stage.lease.age()) == before
    return refusal.value.code


def test_before_the_first_list_there_is_no_lease(stage):
    assert (stage.lease.age(), stage.lease.is_lost(), stage.lease.known_version) == (None, True, 0)


def test_the_lease_counts_from_the_sending_of_the_call(stage):
    asked_at = stage.hand.seconds
    stage.hand.pass_time(2 * SECOND)
    stage.lease.accept(stage.sealed_list(), asked_at=asked_at)
    assert stage.lease.age() == 2 * SECOND


def test_the_lease_is_lost_after_eight_seconds_even_when_the_wall_clock_stands_still(stage):
    stage.renew()
    stage.hand.seconds += 7.999
    assert not stage.lease.is_lost()
    stage.hand.seconds += 0.001
    assert stage.lease.is_lost()


def test_an_older_list_is_refused_and_does_not_renew(stage):
    stage.renew(version=8)
    assert refused(stage, stage.sealed_list(version=7)) == "revocations_rolled_back"


def test_an_older_list_is_refused_after_a_restart_too(stage):
    stage.renew(version=8)
    restarted = Lease(TRUST, stage.clocks, HighestVersion(stage.root / "revocations.json"))
    with pytest.raises(LeaseRefused, match="revocations_rolled_back"):
        restarted.accept(stage.sealed_list(version=7), asked_at=stage.hand.seconds)


def test_the_same_version_made_anew_renews(stage):
    stage.renew()
    stage.hand.pass_time(3 * SECOND)
    stage.renew()
    assert stage.lease.age() == timedelta(0)


@pytest.mark.parametrize("shift", [timedelta(seconds=-6), timedelta(seconds=6)])
def test_a_list_of_another_time_is_refused(stage, shift):
    issued = stage.hand.wall + shift
    text = stage.sealed_list(issued_at=issued, expires_at=issued + timedelta(hours=1))
    assert refused(stage, text) == "revocations_clock"


def test_an_expired_list_is_refused(stage):
    now = stage.hand.wall
    assert refused(stage, stage.sealed_list(issued_at=now - SECOND, expires_at=now)) == "revocations_expired"


def test_a_list_signed_with_the_grants_key_is_refused(stage):
    now = stage.hand.wall
    text = seal_revocations(revocation_list(issued_at=now, expires_at=now + SECOND), GRANTS)
    assert refused(stage, text) == "revocations_signature"


def test_rubbish_is_refused(stage):
    assert refused(stage, "rubbish") == "revocations_malformed"


def test_a_damaged_memory_of_versions_stops_the_start(tmp_path):
    Stage(tmp_path)
    path = tmp_path / "revocations.json"
    path.write_text('{"version": true}')
    path.chmod(0o600)
    with pytest.raises(ValueError, match="no version"):
        HighestVersion(path)
