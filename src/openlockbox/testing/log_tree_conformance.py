"""What the log as a tree must be in every implementation of the database port: proofs, documents, cosignatures, one transaction."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openlockbox.activitylog.entry import document_sha256
from openlockbox.activitylog.note import Checkpoint, add_signature, cosign, cosignatures, sign_checkpoint, witness_key
from openlockbox.activitylog.tree import EMPTY_ROOT, root_of, verify_consistency, verify_inclusion
from openlockbox.domain.errors import NotFound
from openlockbox.domain.ids import TenantId
from openlockbox.grants.keys import Ed25519Signer
from openlockbox.services.ports import ActivityLog, Database
from openlockbox.testing import database_samples as sample
from openlockbox.testing.activity_conformance import check_log
from openlockbox.testing.database_samples import CONTOSO, FABRIKAM, NOW, PROVIDER

MANY = 600  # two complete tiles of 256 and a part
SIZES = (1, 2, 3, 255, 256, 257, 511, 512, 513, MANY)
WRITERS = 20
NOBODY = TenantId("nobody")
WHOLE = NOW.replace(microsecond=0)  # a cosignature tells whole seconds


class LogTreeConformance:
    """The tree's part of the suite. Subclasses give the `database` fixture."""

    @pytest.fixture
    def database(self) -> Database:
        """Return an empty database."""
        raise NotImplementedError("a subclass gives the database")

    @pytest.fixture
    def grown(self, database: Database) -> Database:
        """Return a database with one log of MANY entries, written a few at a time."""
        for start in range(0, MANY, 40):
            with database.unit_of_work() as uow:
                for number in range(start, start + 40):
                    uow.activity.append(sample.event(subject=f"request:{number}", personal={}), at=NOW)
                uow.commit()
        return database

    def test_a_log_without_entries_is_the_empty_tree(self, database: Database) -> None:
        with database.unit_of_work(read_only=True) as uow:
            assert (uow.activity.head(NOBODY).size, uow.activity.head(NOBODY).root()) == (0, EMPTY_ROOT)
            assert uow.activity.root(NOBODY, 0) == EMPTY_ROOT
            assert uow.activity.consistency(NOBODY, 0, 0) == []
            assert uow.activity.leaves(NOBODY, 0, 10) == uow.activity.leaf_hashes(NOBODY, 0, 10) == []

    def test_roots_and_proofs_are_those_of_the_leaves(self, grown: Database) -> None:
        with grown.unit_of_work(read_only=True) as uow:
            log = uow.activity
            check_log(uow, CONTOSO)
            hashes = log.leaf_hashes(CONTOSO, 0, MANY)
            roots = {size: root_of(hashes[:size]) for size in SIZES}
            assert {size: log.root(CONTOSO, size) for size in SIZES} == roots
            for size in SIZES:
                for index in {0, size // 2, size - 1}:
                    verify_inclusion(hashes[index], index, size, log.inclusion(CONTOSO, index, size), roots[size])
                for old in (other for other in SIZES if other <= size):
                    verify_consistency(old, roots[old], size, roots[size], log.consistency(CONTOSO, old, size))

    def test_leaves_and_nodes_are_read_by_range(self, grown: Database) -> None:
        with grown.unit_of_work(read_only=True) as uow:
            log = uow.activity
            hashes = log.leaf_hashes(CONTOSO, 0, MANY)
            assert log.leaf_hashes(CONTOSO, 590, 700) == hashes[590:]
            assert log.leaf_hashes(FABRIKAM, 0, 10) == []
            assert log.leaves(CONTOSO, 7, 9) == [log.get(CONTOSO, 7).leaf, log.get(CONTOSO, 8).leaf]
            assert log.tile(CONTOSO, 0, 256, 259) == hashes[256:259]
            assert log.tile(CONTOSO, 1, 0, 256) == [root_of(hashes[:256]), root_of(hashes[256:512])]
            assert log.tile(CONTOSO, 1, 1, 2) == [root_of(hashes[256:512])]
            assert log.tile(CONTOSO, 2, 0, 256) == []
            for level, index in ((0, 0), (0, MANY - 1), (3, 70), (7, 3), (8, 0), (8, 1), (9, 0)):
                assert log.node(CONTOSO, level, index) == root_of(hashes[index << level : (index + 1) << level])

    @pytest.mark.parametrize(
        "read",
        [
            lambda log: log.node(CONTOSO, 8, 2),
            lambda log: log.node(CONTOSO, 0, MANY),
            lambda log: log.node(CONTOSO, -1, 0),
            lambda log: log.node(CONTOSO, 0, -1),
            lambda log: log.node(FABRIKAM, 0, 0),
            lambda log: log.root(CONTOSO, MANY + 1),
            lambda log: log.root(CONTOSO, -1),
            lambda log: log.inclusion(CONTOSO, MANY, MANY),
            lambda log: log.inclusion(CONTOSO, -1, MANY),
            lambda log: log.inclusion(CONTOSO, 0, MANY + 1),
            lambda log: log.consistency(CONTOSO, MANY, MANY - 1),
            lambda log: log.consistency(CONTOSO, 1, MANY + 1),
            lambda log: log.consistency(CONTOSO, -1, 1),
        ],
    )
    def test_what_the_log_never_was_is_not_found(self, grown: Database, read: Callable[[ActivityLog], object]) -> None:
        with grown.unit_of_work(read_only=True) as uow, pytest.raises(NotFound):
            read(uow.activity)

    def test_what_is_appended_now_can_be_proved_in_the_same_unit(self, database: Database) -> None:
        with database.unit_of_work() as uow:
            uow.activity.append(sample.event(subject="request:1"), at=NOW)
            assert uow.activity.append_now(sample.event(subject="request:2"), at=NOW) == 1
            uow.activity.append(sample.event(subject="request:3"), at=NOW)
            head = uow.activity.head(CONTOSO)
            assert head.size == 1 + 1
            entry = uow.activity.get(CONTOSO, 1)
            verify_inclusion(entry.leaf_hash, 1, 2, uow.activity.inclusion(CONTOSO, 1, 2), head.root())
            uow.commit()
        with database.unit_of_work(read_only=True) as uow:
            assert check_log(uow, CONTOSO) == len(subjects := ["1", "2", "3"])
            assert [uow.activity.get(CONTOSO, i).event.subject[-1] for i in range(3)] == subjects

    def test_what_is_appended_now_and_not_committed_never_was(self, database: Database) -> None:
        with database.unit_of_work() as uow:
            uow.activity.append_now(sample.event(document="gone"), at=NOW)
        with database.unit_of_work(read_only=True) as uow:
            assert uow.activity.size(CONTOSO) == 0
            assert uow.activity.document(CONTOSO, document_sha256("gone")) is None

    def test_a_naive_time_is_refused_at_once(self, database: Database) -> None:
        with database.unit_of_work() as uow, pytest.raises(ValueError, match="naive"):
            uow.activity.append_now(sample.event(), at=NOW.replace(tzinfo=None))

    def test_writers_that_need_a_proof_at_once_leave_no_gap(self, database: Database) -> None:
        start = threading.Barrier(WRITERS)

        def write(number: int) -> None:
            start.wait(timeout=30)
            for step in range(3):
                with database.unit_of_work() as uow:
                    subject = f"request:{number}-{step}"
                    index = uow.activity.append_now(sample.event(subject=subject, document=subject), at=NOW)
                    head = uow.activity.head(CONTOSO)
                    entry = uow.activity.get(CONTOSO, index)
                    proof = uow.activity.inclusion(CONTOSO, index, head.size)
                    assert entry.event.subject == subject
                    verify_inclusion(entry.leaf_hash, index, head.size, proof, head.root())
                    uow.commit()

        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(write, range(WRITERS)))
        with database.unit_of_work(read_only=True) as uow:
            assert check_log(uow, CONTOSO) == WRITERS * 3

    def test_a_document_lies_beside_the_log_and_can_be_erased(self, database: Database) -> None:
        text = '{"displayed":"Détail \U0001f511"}'
        for _ in range(2):  # the same text twice is one document
            with database.unit_of_work() as uow:
                uow.activity.append(sample.event(document=text), at=NOW)
                uow.activity.append(sample.event(FABRIKAM), at=NOW)
                uow.commit()
        with database.unit_of_work(read_only=True) as uow:
            entry = uow.activity.get(CONTOSO, 0)
            assert entry.document_sha256 == document_sha256(text)
            assert entry.event.document == ""
            assert uow.activity.get(FABRIKAM, 0).document_sha256 == ""
            assert uow.activity.document(CONTOSO, entry.document_sha256) == text
            assert uow.activity.document(FABRIKAM, entry.document_sha256) is None
            assert uow.activity.document(CONTOSO, "") is None
            check_log(uow, CONTOSO)
        for _ in range(2):
            with database.unit_of_work() as uow:
                uow.activity.erase_document(CONTOSO, entry.document_sha256)
                uow.commit()
        with database.unit_of_work(read_only=True) as uow:
            assert uow.activity.document(CONTOSO, entry.document_sha256) is None
            assert uow.activity.get(CONTOSO, 0) == entry

    def test_a_leaf_that_no_bundle_could_hold_is_refused(self, database: Database) -> None:
        with database.unit_of_work() as uow, pytest.raises(ValueError, match="longer"):
            uow.activity.append_now(sample.event(detail={"text": "x" * 65_536}), at=NOW)

    def test_cosignatures_come_back_under_one_checkpoint_newest_first(self, database: Database) -> None:
        signer, witnesses = _signer(1), {"w1": _signer(2), "w2": _signer(3)}
        keys = [witness_key(name, one.public_key.public_bytes_raw()) for name, one in witnesses.items()]
        notes = {size: sign_checkpoint(Checkpoint("log", size, EMPTY_ROOT), signer) for size in (5, 9)}

        def cosigned(size: int, name: str, minutes: int = 0) -> str:
            at = WHOLE + timedelta(minutes=minutes)
            return add_signature(notes[size], cosign(notes[size], name, witnesses[name], at))

        with database.unit_of_work() as uow:
            for size, name, minutes in ((5, "w1", 0), (9, "w2", 1), (9, "w1", 2), (9, "w1", 3)):
                uow.activity.add_cosignature(CONTOSO, size, name, cosigned(size, name, minutes))
            uow.activity.add_cosignature(PROVIDER, 5, "w1", cosigned(5, "w1"))
            uow.commit()
        with database.unit_of_work(read_only=True) as uow:
            (newest, both), (older, one) = uow.activity.cosigned(CONTOSO)
            assert (newest, older) == (9, 5)
            assert dict(cosignatures(both, keys)) == {
                "w1": WHOLE + timedelta(minutes=3),
                "w2": WHOLE + timedelta(minutes=1),
            }
            assert cosignatures(one, keys) == [("w1", WHOLE)]
            assert len(uow.activity.cosigned(PROVIDER)) == 1
            assert uow.activity.cosigned(FABRIKAM) == []


def _signer(seed: int) -> Ed25519Signer:
    return Ed25519Signer(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))
