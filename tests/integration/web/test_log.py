"""The log over HTTP: an independent verifier accepts what it serves and nothing else; what lies beside it; witnesses.

The verifier is `tlog-scales` (github.com/florolf/tlog-scales), which shares no code with ours.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tlog_scales import tiles
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tlog import (
    Checkpoint,
    ConsistencyProof,
    ConsistencyProofInvalid,
    InclusionProof,
    InclusionProofInvalid,
)

from openlockbox.activitylog.entry import OpenedField, commitment
from openlockbox.activitylog.note import cosign, cosignatures, witness_key
from openlockbox.grants.assertion import SigningKey
from openlockbox.grants.keys import Ed25519Signer, encode_public_key
from openlockbox.grants.roster import Roster, roster_text
from openlockbox.services.log import log_keys, log_state
from openlockbox.testing import database_samples as sample
from tests.world import AMBERTIDE, PELIMOOR, PROVIDER

FLIPPED = 40  # in the second hash of a tile, in the first leaf of a bundle
GROWN = 600  # two complete tiles and a part
SCOPE = frozenset({"activity.read"})
NOW = datetime(2026, 10, 5, 9, 0, tzinfo=UTC)
WITNESS = Ed25519Signer(Ed25519PrivateKey.generate())
WITNESS_NAME = "witness.example/w1"
WITNESS_VKEY = witness_key(WITNESS_NAME, WITNESS.public_key.public_bytes_raw())


def ask(world, path, *, by="rhea", tenant=AMBERTIDE, method="GET", **options):
    headers = {"Authorization": f"Bearer {world.token(by, scopes=SCOPE)}"}
    return world.call(method, f"/log/{tenant}/{path}", headers=headers, **options)


class Served:
    """The verifier's way to the log: HTTP and a personal token. Can flip a byte of one file on the way."""

    def __init__(self, world, damaged=""):
        self.secret, self.world, self.damaged = world.token("rhea", scopes=SCOPE), world, damaged

    def get(self, *path):
        name = "/".join(path)
        answer = self.world.call("GET", f"/log/ambertide/{name}", headers={"Authorization": f"Bearer {self.secret}"})
        if answer.status_code != 200:
            return None
        if name.startswith(self.damaged or "-"):
            return answer.content[:FLIPPED] + bytes([answer.content[FLIPPED] ^ 1]) + answer.content[FLIPPED + 1 :]
        return answer.content


@pytest.fixture(scope="module")
def grown(world):
    """Return a world with a log of a whole access, and of other things enough for several tiles."""
    world.granted()
    with world.lockbox.database.unit_of_work() as uow:
        for number in range(GROWN - uow.activity.size(AMBERTIDE)):
            uow.activity.append(sample.event(AMBERTIDE, detail={"number": str(number)}), at=world.clock.now)
        uow.commit()
    return world


def vkey(world):
    [text] = log_keys(world.lockbox, AMBERTIDE)
    return Vkey.from_string(text)


def read(world, damaged=""):
    reader = TilesReader(Served(world, damaged))
    return reader, reader.get_checkpoint()


def test_the_independent_verifier_accepts_checkpoint_tiles_and_entries(grown):
    reader, checkpoint = read(grown)
    checkpoint.verify(vkey(grown))
    assert (checkpoint.origin, checkpoint.size) == ("openlockbox.log/ambertide", GROWN)
    assert reader.calculate_root_hash() == checkpoint.root_hash
    for index in (0, 1, 255, 256, 511, 512, GROWN - 1):
        leaf = reader.get_entry(index)
        assert json.loads(leaf)["index"] == index
        reader.get_inclusion_proof(index, GROWN).check(tiles.leaf_hash(leaf), checkpoint.root_hash)


def test_the_independent_verifier_accepts_our_proofs(grown):
    reader, checkpoint = read(grown)
    with grown.lockbox.database.unit_of_work(read_only=True) as uow:
        for index in (0, 255, 256, GROWN - 1):
            proof = InclusionProof(index, GROWN, uow.activity.inclusion(AMBERTIDE, index, GROWN))
            leaf = tiles.leaf_hash(reader.get_entry(index))
            proof.check(leaf, checkpoint.root_hash)
            with pytest.raises(InclusionProofInvalid):
                proof.check(leaf[::-1], checkpoint.root_hash)
        for size in (1, 128, 256, 300, 512, GROWN):
            root = uow.activity.root(AMBERTIDE, size)
            proof = ConsistencyProof(size, GROWN, uow.activity.consistency(AMBERTIDE, size, GROWN))
            proof.check(root, checkpoint.root_hash)
            with pytest.raises(ConsistencyProofInvalid):
                proof.check(root[::-1], checkpoint.root_hash)
            reader.get_consistency_proof(size, GROWN).check(root, checkpoint.root_hash)


@pytest.mark.parametrize("damaged", ["tile/0/000", "tile/0/002.p", "tile/1/000.p"])
def test_the_independent_verifier_rejects_a_flipped_byte_in_a_tile(grown, damaged):
    reader, checkpoint = read(grown, damaged)
    assert reader.calculate_root_hash() != checkpoint.root_hash or damaged.startswith("tile/0/000")
    broken = 0
    for index in (0, 512):  # beside the flipped hash
        leaf = reader.get_entry(index)
        try:
            reader.get_inclusion_proof(index, GROWN).check(tiles.leaf_hash(leaf), checkpoint.root_hash)
        except InclusionProofInvalid:
            broken += 1
    assert broken


def test_the_independent_verifier_rejects_a_flipped_byte_in_an_entry(grown):
    reader, checkpoint = read(grown, "tile/entries/001")
    refused = 0
    for index in range(256, 512):
        try:
            reader.get_inclusion_proof(index, GROWN).check(
                tiles.leaf_hash(reader.get_entry(index)), checkpoint.root_hash
            )
        except InclusionProofInvalid:
            refused += 1
    assert refused == 1


def test_the_independent_verifier_rejects_a_changed_checkpoint(grown):
    text = ask(grown, "checkpoint").text
    for changed in (text.replace(f"\n{GROWN}\n", f"\n{GROWN - 1}\n"), text.replace("ambertide", "pelimoor", 1)):
        with pytest.raises(InvalidSignature):
            Checkpoint.from_text(changed).verify(vkey(grown))


def test_files_are_what_tlog_tiles_says(grown):
    checkpoint = ask(grown, "checkpoint")
    assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
    whole, part, above = (ask(grown, f"tile/{path}") for path in ("0/001", "0/002.p/88", "1/000.p/2"))
    assert [len(answer.content) for answer in (whole, part, above)] == [256 * 32, 88 * 32, 2 * 32]
    assert whole.headers["content-type"] == "application/octet-stream"
    assert ask(grown, "tile/0/001.p/7").content == whole.content[: 7 * 32]
    bundle = ask(grown, "tile/entries/002.p/1").content
    assert int.from_bytes(bundle[:2]) == len(bundle) - 2
    assert hashlib.sha256(b"\x00" + bundle[2:]).digest() == part.content[:32]


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/002",  # not complete
        "tile/0/002.p/89",
        "tile/0/003.p/1",
        "tile/1/000.p/3",
        "tile/2/000.p/1",
        "tile/9/000.p/1",
        "tile/99/000.p/1",
        "tile/00/000",
        "tile/-1/000",
        "tile/x/000",
        "tile/0/0",
        "tile/0/1",
        "tile/0/x000/001",
        "tile/0/001.p/256",
        "tile/0/001.p/0",
        "tile/0/001.p/07",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/entries/002",
        "tile/entries/003.p/1",
        "tile/data/000",
        "opened/99999999999999999999",
        "documents/00",
        f"documents/{'A' * 64}",
        f"documents/{'0' * 64}",
        "witnessed",
        "nothing",
    ],
)
def test_what_is_not_there_is_not_found_and_leaves_no_trace(grown, path):
    answer = ask(grown, path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    with grown.lockbox.database.unit_of_work(read_only=True) as uow:
        assert uow.activity.size(AMBERTIDE) == GROWN


def test_opened_values_fit_the_commitments_until_they_are_erased(own_world):
    own_world.granted()
    opened = ask(own_world, "opened/0").json()
    bundle = ask(own_world, f"tile/entries/000.p/{len(opened)}").content
    leaves = []
    while bundle:
        length = int.from_bytes(bundle[:2])
        leaves.append(json.loads(bundle[2 : 2 + length]))
        bundle = bundle[2 + length :]
    assert sorted(map(int, opened)) == list(range(len(leaves)))
    for leaf in leaves:
        fields = opened[str(leaf["index"])]
        assert {name: commitment(OpenedField(**field)) for name, field in fields.items()} == leaf["personal"]
    index = next(number for number, fields in opened.items() if fields)
    name = next(iter(opened[index]))
    with own_world.lockbox.database.unit_of_work() as uow:
        uow.activity.erase(AMBERTIDE, int(index), names=frozenset({name}))
        uow.commit()
    assert name not in ask(own_world, "opened/0").json()[index]
    assert ask(own_world, "opened/1").json() == {}


def test_documents_are_served_by_the_digest_that_their_entry_has(own_world):
    with own_world.lockbox.database.unit_of_work() as uow:
        index = uow.activity.append_now(sample.event(AMBERTIDE, document='{"a":"Détail"}'), at=own_world.clock.now)
        digest = uow.activity.get(AMBERTIDE, index).document_sha256
        uow.commit()
    answer = ask(own_world, f"documents/{digest}")
    assert hashlib.sha256(answer.content).hexdigest() == digest
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    with own_world.lockbox.database.unit_of_work() as uow:
        uow.activity.erase_document(AMBERTIDE, digest)
        uow.commit()
    assert ask(own_world, f"documents/{digest}").status_code == 404


def test_a_portal_session_reads_and_does_not_write(grown):
    assert grown.portal("rhea", "GET", "/log/ambertide/checkpoint").text == ask(grown, "checkpoint").text
    assert grown.portal("rhea", "POST", "/log/ambertide/cosignatures").status_code == 401
    assert grown.call("GET", "/log/ambertide/checkpoint").status_code == 401


def test_a_token_without_the_scope_reads_nothing(own_world):
    headers = {"Authorization": f"Bearer {own_world.token('rhea', scopes=frozenset({'requests.read'}))}"}
    answer = own_world.call("GET", "/log/ambertide/checkpoint", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "token_scope_missing")


def test_the_operator_reads_the_providers_log_and_nobody_elses(own_world):
    assert ask(own_world, "checkpoint", by="oper", tenant=PROVIDER).text.startswith("openlockbox.log/ostervane\n")
    assert ask(own_world, "checkpoint", by="oper").status_code == 404
    assert ask(own_world, "checkpoint", by="oper", tenant="nowhere").status_code == 404


# ---- witnesses ------------------------------------------------------------------------------------------------------


def give_roster(world, *, witnesses=(WITNESS_VKEY,), quorum=1, tenant=AMBERTIDE):
    signer = Ed25519Signer(Ed25519PrivateKey.generate())
    text = roster_text(
        Roster(
            tenant_id=tenant,
            version=1,
            previous="",
            rp_id="localhost",
            origins=("http://localhost",),
            keys=(
                SigningKey(
                    key_id=signer.key_id,
                    kind="ed25519",
                    public_key=encode_public_key(signer.public_key),
                    credential_id="",
                    principal_id="senna",
                    added_in=1,
                ),
            ),
            recovery_keys=(),
            quorum=1,
            unsigned_decisions=True,
            log_keys=(),
            witnesses=tuple(sorted(witnesses)),
            witness_quorum=quorum,
            at=NOW,
        )
    )
    with world.lockbox.database.unit_of_work() as uow:
        uow.rosters.add(tenant, 1, "signed", text)
        uow.commit()


def submit(world, note, **more):
    return ask(world, "cosignatures", method="POST", content=note.encode(), **more)


def cosigned(note, *, name=WITNESS_NAME, signer=WITNESS, at=NOW):
    return note + cosign(note, name, signer, at)


def test_a_witnesss_cosignature_is_kept_and_served(own_world):
    give_roster(own_world)
    note = ask(own_world, "checkpoint").text
    size = int(note.split("\n")[1])
    for _ in range(2):  # idempotent
        answer = submit(own_world, cosigned(note))
        assert (answer.status_code, answer.json()) == (201, {"size": size})
    served = ask(own_world, "witnessed").text
    assert served == cosigned(note)
    assert ask(own_world, "checkpoint").text == note  # keeping it has made no entry
    checkpoint = Checkpoint.from_text(served)
    checkpoint.verify(vkey(own_world))
    verified = VkeySet(vkey(own_world), Vkey.from_string(WITNESS_VKEY)).verify(checkpoint.signatures, checkpoint)
    assert {key.name for key, _ in verified} == {"openlockbox.log/ambertide", WITNESS_NAME}


def test_only_the_rosters_witnesses_are_kept(own_world):
    second = Ed25519Signer(Ed25519PrivateKey.generate())
    keys = (WITNESS_VKEY, witness_key("w2", second.public_key.public_bytes_raw()))
    give_roster(own_world, witnesses=keys)
    note = ask(own_world, "checkpoint").text
    stranger = Ed25519Signer(Ed25519PrivateKey.generate())
    both = cosigned(cosigned(note), name="stranger", signer=stranger)
    assert submit(own_world, both).status_code == 201
    assert submit(own_world, cosigned(note, name="w2", signer=second)).status_code == 201
    served = ask(own_world, "witnessed").text
    assert dict(cosignatures(served, keys)) == {WITNESS_NAME: NOW, "w2": NOW}
    assert "stranger" not in served


def test_what_no_witness_signed_is_refused(own_world):
    before = ask(own_world, "checkpoint").text
    assert refusal(submit(own_world, cosigned(before))) == "no witness on the roster signed it"  # there is no roster
    give_roster(own_world)
    note = ask(own_world, "checkpoint").text
    other = ask(own_world, "checkpoint", by="piet", tenant=PELIMOOR).text
    unknown = "it is no checkpoint of this log"
    for text, problem in (
        (note, "no witness on the roster signed it"),
        (cosigned(note, signer=Ed25519Signer(Ed25519PrivateKey.generate())), "no witness on the roster signed it"),
        (note.replace("\n", " "), unknown),
        ("", unknown),
        (cosigned(note.replace("ambertide", "pelimoor", 1)), unknown),
        (cosigned(other), unknown),
        (cosigned(note).replace(f"\n{note.split()[1]}\n", "\n1\n"), unknown),
    ):
        assert refusal(submit(own_world, text)) == problem
    assert refusal(ask(own_world, "cosignatures", method="POST", content=b"\xff")) == "it is no UTF-8"
    assert ask(own_world, "witnessed").status_code == 404
    assert own_world.last_refusal() == ("log.cosign", "invalid_input")


def refusal(answer):
    assert answer.status_code == 422
    return answer.json()["params"]["problem"] if "params" in answer.json() else answer.text


def test_the_state_names_who_has_seen_the_log_and_who_has_not(own_world):
    second = witness_key("w2", Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    give_roster(own_world, witnesses=(WITNESS_VKEY, second), quorum=2)
    first = ask(own_world, "checkpoint").text
    submit(own_world, cosigned(first))
    own_world.granted()
    newer = ask(own_world, "checkpoint").text
    submit(own_world, cosigned(newer, at=NOW + timedelta(hours=1)))
    state = log_state(own_world.lockbox, own_world.caller("rhea"), tenant_id=AMBERTIDE)
    assert [(w.name, w.at, str(w.size)) for w in state.witnessed] == [
        (WITNESS_NAME, NOW + timedelta(hours=1), newer.split("\n")[1])
    ]
    assert (state.silent, state.quorum) == (("w2",), 2)
    assert state.newest_at == own_world.clock.now


def test_the_page_says_how_far_the_log_can_be_verified_and_how(own_world):
    page = own_world.portal("rhea", "GET", "/t/ambertide/activity").text
    note = ask(own_world, "checkpoint").text
    assert note.split("\n")[2].replace("+", "&#43;") in page or note.split("\n")[2] in page  # the root
    assert "A witness is a machine of yours" in page
    [key] = log_keys(own_world.lockbox, AMBERTIDE)
    assert f"--log-key &#34;{key}&#34;" in page
    assert "lockbox log mirror --server http://localhost --tenant ambertide ambertide-log" in page
    second = witness_key("w2", Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    give_roster(own_world, witnesses=(WITNESS_VKEY, second), quorum=2)
    submit(own_world, cosigned(note))
    own_world.case(engineer=None)
    page = own_world.portal("rhea", "GET", "/t/ambertide/activity").text
    assert f"{WITNESS_NAME} has co-signed {note.split()[1]} entries" in page
    assert "1 newer entry waits for it." in page
    assert "w2 is on the roster and has not co-signed yet." in page
    assert "Access opens only after 2 of them" in page
