"""Checkpoints and cosignatures: what counts as signed, and every way in which it does not."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from openlockbox.activitylog.note import (
    MAX_NOTE,
    Checkpoint,
    NoteRefused,
    add_signature,
    cosign,
    cosignatures,
    note_body,
    open_checkpoint,
    origin_of,
    parse_vkey,
    sign_checkpoint,
    signature_lines,
    verifier_key,
    witness_key,
)
from openlockbox.activitylog.tree import EMPTY_ROOT

NOW = datetime(2026, 10, 5, 9, 0, tzinfo=UTC)


class Signer:
    def __init__(self, seed):
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public_key = self._key.public_key()
        self.raw = self.public_key.public_bytes_raw()

    def sign(self, message):
        return self._key.sign(message)


LOG, OTHER, WITNESS = Signer(1), Signer(2), Signer(3)
ORIGIN = origin_of("finchley")
CHECKPOINT = Checkpoint(ORIGIN, 7, EMPTY_ROOT)
NOTE = sign_checkpoint(CHECKPOINT, LOG)
VKEY = verifier_key(ORIGIN, LOG.raw)
WKEY = witness_key("witness.example/w1", WITNESS.raw)


def refused(code):
    return pytest.raises(NoteRefused, match=f"^{code}")


def test_the_reference_key_of_signed_note_is_read():
    # From the documentation of golang.org/x/mod/sumdb/note: a key and a note that it signed.
    vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    key = parse_vkey(vkey)
    assert (key.name, key.key_id.hex(), verifier_key(key.name, key.public_key.public_bytes_raw())) == (
        "PeterNeumann",
        "c74f20a3",
        vkey,
    )
    text = (
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
        "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    [line] = signature_lines(text)
    signature = base64.b64decode(line.rsplit(" ", 1)[1])[4:]
    key.public_key.verify(signature, note_body(text).encode())


def test_a_checkpoint_is_what_c2sp_says():
    body, _, signature = NOTE.partition("\n\n")
    assert body == "openlockbox.log/finchley\n7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert signature.startswith("\u2014 openlockbox.log/finchley ")
    assert signature.endswith("\n")
    assert open_checkpoint(NOTE, [VKEY]) == CHECKPOINT


def test_a_checkpoint_counts_by_the_logs_key_alone():
    for vkeys in (
        [],
        [verifier_key(ORIGIN, OTHER.raw)],
        [verifier_key("other", LOG.raw)],
        [witness_key(ORIGIN, LOG.raw)],
    ):
        with refused("signature_missing"):
            open_checkpoint(NOTE, vkeys)
    with refused("vkey_malformed"):
        open_checkpoint(NOTE, [VKEY, "rubbish"])


def test_any_of_several_keys_will_do():
    assert open_checkpoint(NOTE, [verifier_key(ORIGIN, OTHER.raw), VKEY]) == CHECKPOINT


def test_a_changed_checkpoint_is_refused():
    with refused("signature_wrong"):
        open_checkpoint(NOTE.replace("\n7\n", "\n8\n"), [VKEY])
    with refused("signature_missing"):
        open_checkpoint(
            NOTE.replace("finchley\n7", "lakeside\n7"), [VKEY, verifier_key(origin_of("lakeside"), LOG.raw)]
        )


def test_a_wrong_signature_beside_a_right_one_is_refused():
    wrong = sign_checkpoint(Checkpoint(ORIGIN, 8, EMPTY_ROOT), LOG).rstrip("\n").rsplit("\n", 1)[1]
    with refused("signature_wrong"):
        open_checkpoint(add_signature(NOTE, wrong), [VKEY])


def test_a_signature_by_an_unknown_key_does_no_harm():
    line = sign_checkpoint(CHECKPOINT, OTHER).rstrip("\n").rsplit("\n", 1)[1]
    assert open_checkpoint(add_signature(NOTE, line), [VKEY]) == CHECKPOINT


@pytest.mark.parametrize("size", ["07", "+7", "-7", "7 ", "", "7_0", "\u0667", "x", str(2**63), "9" * 5000])
def test_a_size_has_one_spelling(size):
    with refused("checkpoint_malformed"):
        open_checkpoint(NOTE.replace("\n7\n", f"\n{size}\n"), [VKEY])


@pytest.mark.parametrize(
    "old, new",
    [
        ("SuFU=", "SuFU"),
        ("SuFU=", "SuFV="),  # the same bytes, another spelling
        ("47DE", ""),
        ("SuFU=\n", "SuFU=\nmore\n"),
        ("openlockbox.log/finchley\n7", "open lockbox\n7"),
        ("openlockbox.log/finchley\n7", "\n7"),
    ],
)
def test_a_malformed_checkpoint_is_refused(old, new):
    with refused("checkpoint_malformed"):
        open_checkpoint(NOTE.replace(old, new, 1), [VKEY])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        NOTE.partition("\n\n")[0] + "\n",
        NOTE.partition("\n\n")[0] + "\n\n",
        NOTE.rstrip("\n"),
        NOTE.replace("\u2014", "-"),
        NOTE.replace("\n7\n", "\n7\r\n"),
        NOTE + "x\n",
        NOTE + "\u2014 name\n",
        NOTE + "\u2014 name AAAA\n",
        NOTE + "\u2014 na+me AAAAAAAA\n",
        NOTE + "\u2014 name  AAAAAAAA\n",
        NOTE + "\u2014 name AAAA%AAAA\n",
        NOTE + "\u2014 name AAAAAAAA\n" * 100,
        NOTE + f"\u2014 {'n' * MAX_NOTE} AAAAAAAA\n",
    ],
)
def test_what_is_no_note_is_refused(note):
    with refused("note_malformed"):
        open_checkpoint(note, [VKEY])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        VKEY.replace("+", " "),
        VKEY.replace("finchley", "lakeside"),
        VKEY.replace("+A", "+B"),
        VKEY + "=",
        VKEY[:-4],
        "+" + VKEY.partition("+")[2],
        VKEY.upper(),
        VKEY + "\n",
    ],
)
def test_a_malformed_key_is_refused(text):
    with refused("vkey_malformed"):
        parse_vkey(text)


def test_a_key_needs_a_name_that_a_note_can_hold():
    for name in ("", "two words", "a+b", "line\n", "\u3000"):
        with refused("vkey_malformed"):
            verifier_key(name, LOG.raw)
    with refused("vkey_malformed"):
        witness_key("short", LOG.raw[:-1])


def test_a_witness_says_when():
    cosigned = add_signature(NOTE, cosign(NOTE, "witness.example/w1", WITNESS, NOW))
    assert cosignatures(cosigned, [WKEY]) == [("witness.example/w1", NOW)]
    assert open_checkpoint(cosigned, [VKEY]) == CHECKPOINT
    assert cosignatures(NOTE, [WKEY]) == []


def test_the_newest_of_a_witness_counts_and_it_counts_once():
    twice = NOTE
    for at in (NOW, NOW + timedelta(hours=1), NOW - timedelta(hours=1)):
        twice = add_signature(twice, cosign(NOTE, "witness.example/w1", WITNESS, at))
    assert cosignatures(twice, [WKEY, WKEY]) == [("witness.example/w1", NOW + timedelta(hours=1))]


def test_a_cosignature_counts_for_its_own_checkpoint_and_key():
    line = cosign(NOTE, "witness.example/w1", WITNESS, NOW)
    other = sign_checkpoint(Checkpoint(ORIGIN, 8, EMPTY_ROOT), LOG)
    assert cosignatures(add_signature(other, line), [WKEY]) == []
    for key in (witness_key("witness.example/w1", OTHER.raw), witness_key("w2", WITNESS.raw), "rubbish", VKEY):
        assert cosignatures(add_signature(NOTE, line), [key]) == []


def test_a_cosignature_of_another_time_is_wrong():
    line = cosign(NOTE, "witness.example/w1", WITNESS, NOW)
    head, _, data = line.rstrip("\n").rpartition(" ")
    raw = bytearray(base64.b64decode(data))
    raw[11] ^= 1  # the last byte of the time
    for changed in (bytes(raw), bytes(raw[:-1]), bytes(raw[:8])):
        note = add_signature(NOTE, f"{head} {base64.b64encode(changed).decode()}")
        assert cosignatures(note, [WKEY]) == []


def test_a_plain_signature_of_a_witness_is_no_cosignature():
    plain = verifier_key("witness.example/w1", WITNESS.raw)
    line = cosign(NOTE, "witness.example/w1", WITNESS, NOW)
    assert cosignatures(add_signature(NOTE, line), [plain]) == []


def test_what_is_no_checkpoint_is_neither_cosigned_nor_counted():
    for text in ("rubbish", NOTE.replace("\n7\n", "\n07\n")):
        with pytest.raises(NoteRefused):
            cosign(text, "w", WITNESS, NOW)
        assert cosignatures(text, [WKEY]) == []


def test_a_line_is_added_once_and_alone():
    line = cosign(NOTE, "w", WITNESS, NOW)
    once = add_signature(NOTE, line)
    assert add_signature(once, line) == once == NOTE + line
    for bad in ("", "x", line + line, line + "\n"):
        with refused("note_malformed"):
            add_signature(NOTE, bad)
    with refused("note_malformed"):
        add_signature("no note", line)


@given(st.text(st.sampled_from("abc\n \u2014+=09\r\ud800AAAA/")), st.integers(0, len(NOTE)))
def test_rubbish_is_refused_in_words(rubbish, place):
    for text in (rubbish, NOTE[:place] + rubbish + NOTE[place:]):
        try:
            opened = open_checkpoint(text, [VKEY])
        except NoteRefused:
            cosignatures(text, [WKEY])
        else:
            assert opened == CHECKPOINT
