"""Recordings: what was passed on is in them, and whatever is changed afterwards is found."""

import errno
import os
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlockbox.gateway import recording
from openlockbox.gateway.recording_file import (
    RecordingBroken,
    RecordingDamaged,
    read_records,
    recover_recording,
    verify_recording,
)
from tests.unit.gateway.stage import GATEWAY_SIGNER, RECORDING_KEY, Stage
from tests.unit.grants.material import STRANGER

KEY = GATEWAY_SIGNER.public_key


def made(stage, *parts, session_id="se-1"):
    """Make a sealed recording with one chunk a part."""
    writer = stage.recorder(session_id)
    for part in parts:
        writer.server_bytes(part)
        stage.hand.pass_time(timedelta(seconds=1))
        writer.flush_if_due()
    return writer.seal(reason="client_closed", ended_at=stage.hand.wall, signer=GATEWAY_SIGNER)


def test_what_went_in_comes_out_with_its_times(stage):
    made(stage, b"first", b"second")
    records = list(read_records(stage.path(), recording_key=RECORDING_KEY))
    assert [(record.after.total_seconds(), record.data) for record in records] == [(0, b"first"), (1, b"second")]


def test_a_sealed_recording_verifies_and_names_its_head(stage):
    summary = made(stage, b"first", b"second")
    report = verify_recording(stage.path(), public_key=KEY, head=summary.sha256)
    assert report.summary == summary
    assert (summary.chunks, report.reason, report.subject.session_id) == (2, "client_closed", "se-1")


def test_nothing_recorded_is_readable_on_the_disk(stage):
    made(stage, b"the customer's screen")
    assert b"customer" not in stage.path().read_bytes()
    assert stage.path().stat().st_mode & 0o777 == 0o600


def test_another_key_does_not_open_it(stage):
    made(stage, b"x")
    with pytest.raises(RecordingBroken, match="key_wrong"):
        list(read_records(stage.path(), recording_key=bytes(32)))


def test_a_chunk_is_written_when_it_is_full_without_waiting_for_time(stage):
    writer = stage.recorder()
    before = stage.path().stat().st_size
    writer.server_bytes(b"x" * recording.CHUNK_BYTES)
    assert stage.path().stat().st_size > before + recording.CHUNK_BYTES
    writer.discard()


def test_each_changed_byte_is_found_and_its_chunk_named(stage):
    made(stage, b"first", b"second", b"third")
    good = stage.path().read_bytes()
    starts = [good.index(b"C" + index.to_bytes(4, "big")) for index in range(3)]
    for index, start in enumerate(starts):
        for offset in (start + 9, start + 20, (starts[index + 1] if index < 2 else good.index(b"I", start + 60)) - 1):
            changed = bytearray(good)
            changed[offset] ^= 1
            stage.path().write_bytes(changed)
            with pytest.raises(RecordingBroken) as broken:
                verify_recording(stage.path(), public_key=KEY)
            assert (broken.value.code, broken.value.chunk) == ("chunk_broken", index), offset


def test_every_single_changed_byte_breaks_it(stage):
    made(stage, b"ab")
    good = stage.path().read_bytes()
    for offset in range(len(good)):
        stage.path().write_bytes(good[:offset] + bytes([good[offset] ^ 0x20]) + good[offset + 1 :])
        with pytest.raises(RecordingBroken):
            verify_recording(stage.path(), public_key=KEY)


def test_a_rebuilt_chain_does_not_carry_the_gateways_seal(stage):
    made(stage, b"what happened")
    honest = stage.path().read_bytes()
    stage.path().unlink()
    made(stage, b"what did not")
    forged = stage.path().read_bytes()
    seal = honest.rindex(b"I", 0, honest.rindex(b"olbx1"))
    stage.path().write_bytes(forged[: forged.rindex(b"I", 0, forged.rindex(b"olbx1"))] + honest[seal:])
    with pytest.raises(RecordingBroken):
        verify_recording(stage.path(), public_key=KEY)


def test_a_recording_sealed_by_somebody_else_is_refused(stage):
    made(stage, b"x")
    with pytest.raises(RecordingBroken, match="seal_wrong"):
        verify_recording(stage.path(), public_key=STRANGER.public_key)


def test_a_whole_other_recording_is_not_the_one_in_the_log(stage):
    made(stage, b"x")
    with pytest.raises(RecordingBroken, match="head_differs"):
        verify_recording(stage.path(), public_key=KEY, head="00" * 32)


def test_no_byte_is_taken_after_the_cut(stage):
    writer = stage.recorder()
    writer.stop()
    with pytest.raises(OSError, match="has ended"):
        writer.server_bytes(b"late")
    writer.discard()


def test_a_session_id_has_one_recording_ever(stage):
    made(stage, b"x")
    with pytest.raises(FileExistsError):
        stage.recorder()


def test_a_full_disk_ends_in_an_error_and_whole_chunks_stay_sealed(stage, monkeypatch):
    writer = stage.recorder()
    writer.server_bytes(b"a" * recording.CHUNK_BYTES)
    real = os.pwrite

    def full(descriptor, data, offset):
        real(descriptor, bytes(data[:10]), offset)
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="no space"):
        writer.server_bytes(b"b" * recording.CHUNK_BYTES)
    monkeypatch.setattr(os, "pwrite", real)
    with pytest.raises(OSError, match="ended"):
        writer.server_bytes(b"c")
    summary = writer.seal(reason="recording_failed", ended_at=stage.hand.wall, signer=GATEWAY_SIGNER)
    assert summary.chunks == 1
    assert verify_recording(stage.path(), public_key=KEY).summary == summary


def test_a_torn_recording_is_sealed_up_to_its_last_whole_chunk(stage):
    summary = made(stage, b"first", b"second", b"third")
    good = stage.path().read_bytes()
    third = good.index(b"C" + (2).to_bytes(4, "big"))
    stage.path().write_bytes(good[: third + 30])
    recovered = recover_recording(
        stage.path(), reason="gateway_stopped", ended_at=stage.hand.wall, signer=GATEWAY_SIGNER
    )
    report = verify_recording(stage.path(), public_key=KEY)
    assert (recovered.chunks, report.reason, report.summary) == (2, "gateway_stopped", recovered)
    assert summary.chunks == 3
    assert [record.data for record in read_records(stage.path(), recording_key=RECORDING_KEY)] == [b"first", b"second"]


def test_recovery_leaves_a_sealed_recording_alone(stage):
    summary = made(stage, b"first")
    before = stage.path().read_bytes()
    again = recover_recording(stage.path(), reason="gateway_stopped", ended_at=stage.hand.wall, signer=GATEWAY_SIGNER)
    assert (again, stage.path().read_bytes()) == (summary, before)


def recover(stage):
    return recover_recording(stage.path(), reason="gateway_stopped", ended_at=stage.hand.wall, signer=GATEWAY_SIGNER)


@pytest.mark.parametrize("end", ["sealed", "unsealed", "seal torn", "third chunk torn"])
@pytest.mark.parametrize("offset", [0, 4, 5, 7, 8, 9, 20])  # tag, index, length (by much and by little), ciphertext
def test_damage_in_the_middle_is_left_on_the_disk_and_nothing_is_signed(stage, end, offset):
    made(stage, b"first", b"second" * 20, b"third", b"fourth")
    good = stage.path().read_bytes()
    starts = [good.index(b"C" + index.to_bytes(4, "big")) for index in range(4)]
    index = good.index(b"I", starts[3] + 40)
    cut = {"sealed": None, "unsealed": index, "seal torn": -20, "third chunk torn": starts[2] + 30}[end]
    damaged = bytearray(good[:cut])
    damaged[starts[1] + offset] ^= 0x02
    stage.path().write_bytes(damaged)
    with pytest.raises(RecordingDamaged) as broken:
        recover(stage)
    assert stage.path().read_bytes() == damaged
    assert (broken.value.chunk, broken.value.whole.chunks, broken.value.whole.bytes) == (1, 1, starts[1])


def test_a_sealed_recording_that_lost_a_chunk_or_grew_is_left_alone(stage):
    made(stage, b"first", b"second")
    good = stage.path().read_bytes()
    second = good.index(b"C" + (1).to_bytes(4, "big"))
    index = good.rindex(b"I", 0, good.rindex(b"olbx1"))
    for content in (good[:second] + good[index:], good + b"x"):
        stage.path().write_bytes(content)
        with pytest.raises(RecordingDamaged):
            recover(stage)
        assert stage.path().read_bytes() == content


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_whatever_a_crash_leaves_can_be_recovered_or_is_refused(tmp_path_factory, data):
    stage = Stage(tmp_path_factory.mktemp("stage"))
    made(stage, b"first" * 20, b"second" * 20)
    good = stage.path().read_bytes()
    stage.path().write_bytes(good[: data.draw(st.integers(0, len(good)))])
    header_length = good.index(b"C" + bytes(4))
    if stage.path().stat().st_size < header_length:
        with pytest.raises(RecordingBroken, match="recording_malformed"):
            recover_recording(stage.path(), reason="gateway_stopped", ended_at=stage.hand.wall, signer=GATEWAY_SIGNER)
    else:
        recover_recording(stage.path(), reason="gateway_stopped", ended_at=stage.hand.wall, signer=GATEWAY_SIGNER)
        verify_recording(stage.path(), public_key=KEY)


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_any_bytes_are_refused_and_nothing_else_is_raised(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.olbxrec"
    for content in (data, recording.MAGIC + data, recording.MAGIC + len(data).to_bytes(4, "big") + data):
        path.write_bytes(content)
        with pytest.raises(RecordingBroken):
            verify_recording(path, public_key=KEY)
        with pytest.raises(RecordingBroken):
            list(read_records(path, recording_key=RECORDING_KEY))
