"""Row 21: recordings are encrypted at rest and chained; one flipped byte is found, and a recording is one session's."""

from datetime import timedelta

import pytest

from openlockbox.gateway.recording_file import RecordingBroken, read_records, verify_recording
from tests.unit.gateway.stage import GATEWAY_SIGNER, RECORDING_KEY, Stage
from tests.unit.grants.material import STRANGER

KEY = GATEWAY_SIGNER.public_key
SCREEN = b"the customer's screen"


def record(stage: Stage, *parts: bytes, session_id: str = "se-1", signer=GATEWAY_SIGNER) -> str:
    """Make a sealed recording with one chunk a part; return its head, which the log holds."""
    writer = stage.recorder(session_id)
    for part in parts:
        writer.server_bytes(part)
        stage.hand.pass_time(timedelta(seconds=1))
        writer.flush_if_due()
    return writer.seal(reason="client_closed", ended_at=stage.hand.wall, signer=signer).sha256


def refused(stage: Stage, head: str | None = None) -> str:
    with pytest.raises(RecordingBroken) as broken:
        verify_recording(stage.path(), public_key=KEY, head=head)
    return broken.value.code


def test_nothing_on_the_disk_is_readable_without_the_gateways_key(stage: Stage) -> None:
    record(stage, SCREEN)
    assert SCREEN not in stage.path().read_bytes()
    assert stage.path().stat().st_mode & 0o777 == 0o600
    assert [r.data for r in read_records(stage.path(), recording_key=RECORDING_KEY)] == [SCREEN]
    with pytest.raises(RecordingBroken, match="key_wrong"):
        list(read_records(stage.path(), recording_key=bytes(32)))


def test_one_flipped_byte_is_found_without_any_secret(stage: Stage) -> None:
    record(stage, SCREEN, SCREEN)
    good = stage.path().read_bytes()
    for offset in range(len(good)):
        stage.path().write_bytes(good[:offset] + bytes([good[offset] ^ 1]) + good[offset + 1 :])
        with pytest.raises(RecordingBroken):
            verify_recording(stage.path(), public_key=KEY)


def test_a_chunk_of_another_recording_or_place_does_not_decrypt(stage: Stage) -> None:
    record(stage, b"first!", b"second")
    good = stage.path().read_bytes()
    first, second = good.index(b"C\0\0\0\0"), good.index(b"C\0\0\0\1")
    length = second - first
    swapped = good[:first] + b"C\0\0\0\0" + good[second + 5 : second + length] + b"C\0\0\0\1" + good[first + 5 : second]
    stage.path().write_bytes(swapped + good[second + length :])
    with pytest.raises(RecordingBroken, match="chunk_broken"):
        list(read_records(stage.path(), recording_key=RECORDING_KEY))


def test_a_recording_that_somebody_else_sealed_is_forged(stage: Stage) -> None:
    record(stage, SCREEN, signer=STRANGER)
    assert refused(stage) == "seal_wrong"


def test_a_whole_recording_put_in_the_place_of_another_is_not_the_one_in_the_log(stage: Stage) -> None:
    head = record(stage, SCREEN, session_id="se-2")
    record(stage, b"nothing happened")
    assert refused(stage, head) == "head_differs"


def test_a_recording_without_its_end_is_not_taken_for_whole(stage: Stage) -> None:
    record(stage, SCREEN, SCREEN)
    good = stage.path().read_bytes()
    stage.path().write_bytes(good[: good.rindex(b"olbx1") - 40])
    assert refused(stage) in {"recording_not_sealed", "chunk_broken"}
