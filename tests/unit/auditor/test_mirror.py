"""The mirror and the witness against a server that shows a log, honestly at first. The server here is the log in memory, not HTTP."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from openlockbox.activitylog.entry import hash_leaf
from openlockbox.activitylog.note import cosignatures
from openlockbox.auditor.mirror import Mirror
from openlockbox.auditor.notes import MirrorRefused
from openlockbox.auditor.server import Server, ServerRefused
from openlockbox.auditor.tiles import WIDTH, hash_reader, tile_path
from openlockbox.auditor.witness import WitnessRefused, load_witness, witness_once
from openlockbox.verification.roots import LogTree
from tests.ledger import START, Ledger


class Shown:
    """What `LogServer` gives, out of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.tenant_id = ledger, ledger.tenant
        self.size: int | None = None
        self.cosigned = ""
        self.asked: list[str] = []

    def checkpoint(self) -> str:
        return self.ledger.note(self.size)

    def witnessed(self) -> str:
        return self.cosigned

    def tile(self, path: str) -> bytes:
        self.asked.append(path)
        _, kind, rest = path.split("/", 2)
        number, _, width = rest.partition(".p/")
        index = int("".join(part.lstrip("x") for part in number.split("/")))
        if kind == "entries":
            leaves = self.ledger.leaves[index * WIDTH : index * WIDTH + int(width or WIDTH)]
            return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)
        hashes = [hash_leaf(leaf) for leaf in self.ledger.leaves]
        for _ in range(int(kind)):
            hashes = [LogTreeRoot(hashes[at : at + WIDTH]) for at in range(0, len(hashes) - WIDTH + 1, WIDTH)]
        return b"".join(hashes[index * WIDTH : index * WIDTH + int(width or WIDTH)])

    def opened(self, bundle: int) -> bytes:
        first = bundle * WIDTH
        opened = self.ledger.opened
        return json.dumps({str(i): opened[str(i)] for i in range(first, first + WIDTH) if str(i) in opened}).encode()

    def document(self, sha256: str) -> bytes | None:
        body = self.ledger.documents.get(sha256)
        return None if body is None else body.encode()

    def submit_cosignature(self, note: str) -> None:
        self.cosigned = note


def LogTreeRoot(hashes: list[bytes]) -> bytes:  # noqa: N802
    tree = LogTree()
    tree.add(hashes)
    return tree.root()


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger()
    made.roster()
    made.access(1)
    return made


@pytest.fixture
def server(ledger) -> Shown:
    return Shown(ledger)


@pytest.fixture
def mirror(tmp_path) -> Mirror:
    return Mirror(tmp_path / "mirror")


def sync(mirror: Mirror, server: Shown):
    return mirror.sync(server, now=server.ledger.now)  # type: ignore[arg-type]  # stands for it


def refused(mirror: Mirror, server: Shown) -> MirrorRefused:
    before = sorted(p for p in mirror.directory.rglob("*") if p.is_file())
    kept = mirror.note()
    with pytest.raises(MirrorRefused) as refusal:
        sync(mirror, server)
    assert mirror.note() == kept  # the accepted checkpoint stays
    assert set(before) <= {p for p in mirror.directory.rglob("*") if p.is_file()}
    return refusal.value


def test_a_mirror_verifies_and_grows(mirror, server, ledger):
    assert sync(mirror, server).size == 6
    assert mirror.verify(ledger.pin()).holds
    for number in range(2, 150):
        ledger.access(number)
        if number in {50, 51, 52, 53, 103}:
            sync(mirror, server)
            assert mirror.verify(ledger.pin()).holds
    done = sync(mirror, server)
    assert (done.before, done.size) == (1 + 5 * 103, 1 + 5 * 149)
    report = mirror.verify(ledger.pin())
    assert report.holds
    assert "149 requests; 149 decisions signed, 0 not signed" in report.passed


def test_a_mirror_without_news_asks_for_no_entries(mirror, server):
    sync(mirror, server)
    server.asked.clear()
    assert sync(mirror, server).size == 6
    assert server.asked == []


def test_only_what_is_new_is_fetched(mirror, server, ledger):
    for number in range(2, 120):
        ledger.access(number)
    sync(mirror, server)
    server.asked.clear()
    ledger.access(120)
    sync(mirror, server)
    assert server.asked == [tile_path("entries", 2, len(ledger.leaves) - 512)]


def test_the_tiles_on_disk_are_those_of_the_log(mirror, server, ledger):
    for number in range(2, 120):
        ledger.access(number)
    sync(mirror, server)
    ledger.access(120)
    sync(mirror, server)
    tiles = sorted(str(p.relative_to(mirror.directory)) for p in (mirror.directory / "tile").rglob("*") if p.is_file())
    last = len(ledger.leaves) - 512
    assert tiles == [
        "tile/0/000", "tile/0/001", f"tile/0/002.p/{last}",
        "tile/1/000.p/2",
        "tile/entries/000", "tile/entries/001", f"tile/entries/002.p/{last}",
    ]  # fmt: skip
    for path in tiles:
        assert (mirror.directory / path).read_bytes() == server.tile(path)


def test_a_checkpoint_rolled_back_is_refused_and_named(mirror, server):
    sync(mirror, server)
    server.size = 3
    assert refused(mirror, server).code == "rolled_back"


def test_another_log_of_the_same_size_is_refused_and_named(mirror, server, ledger):
    sync(mirror, server)
    ledger.rewrite(2, actor="principal:mallory")
    assert refused(mirror, server).code == "split_view"


def test_another_longer_log_is_refused_and_named_with_the_first_difference(mirror, server, ledger):
    for number in range(2, 120):
        ledger.access(number)
    sync(mirror, server)
    ledger.rewrite(2, actor="principal:mallory")
    ledger.access(120)
    refusal = refused(mirror, server)
    assert refusal.code == "split_view"
    assert "entry 2" in refusal.sentence
    assert mirror.verify(ledger.pin()).holds  # what was mirrored is still what it was


def test_a_difference_in_the_last_bundle_is_named(mirror, server, ledger):
    sync(mirror, server)
    ledger.rewrite(4, actor="principal:mallory")
    ledger.access(2)
    refusal = refused(mirror, server)
    assert (refusal.code, "entry 4" in refusal.sentence) == ("split_view", True)


def test_entries_that_do_not_make_the_checkpoint_are_refused(mirror, server, ledger):
    sync(mirror, server)
    ledger.access(2)
    note = ledger.note()
    ledger.rewrite(8, actor="principal:mallory")
    server.checkpoint = lambda: note  # type: ignore[method-assign]
    assert refused(mirror, server).code == "root_differs"


def test_entries_left_out_are_refused(mirror, server, ledger):
    note = ledger.note()
    del ledger.leaves[3]
    server.checkpoint = lambda: note  # type: ignore[method-assign]
    assert refused(mirror, server).code == "entries_missing"


def test_the_log_of_another_organization_is_refused(mirror, server, tmp_path):
    sync(mirror, server)
    assert refused(mirror, Shown(Ledger("pelimoor"))).code == "tenant_differs"
    server.tenant_id = "pelimoor"
    with pytest.raises(MirrorRefused, match="origin_differs"):
        Mirror(tmp_path / "new").sync(server, now=START)


@pytest.mark.parametrize("note", ["", "hello", "openlockbox.log/ambertide\n-1\nAAAA\n\n", "\n\n\n\n"])
def test_a_checkpoint_that_is_none_is_refused(mirror, server, note):
    server.checkpoint = lambda: note
    assert refused(mirror, server).code == "checkpoint_malformed"


def test_a_damaged_mirror_does_not_grow(mirror, server, ledger):
    sync(mirror, server)
    (tile,) = (mirror.directory / "tile/0/000.p").iterdir()
    tile.write_bytes(bytes(len(tile.read_bytes())))
    ledger.access(2)
    assert refused(mirror, server).code == "mirror_damaged"


def test_a_mirror_that_lost_entries_says_so(mirror, server, ledger):
    sync(mirror, server)
    (bundle,) = (mirror.directory / "tile/entries/000.p").iterdir()
    bundle.unlink()
    with pytest.raises(MirrorRefused, match="entries_missing"):
        mirror.verify(ledger.pin())


def test_no_mirror_says_so(tmp_path, ledger):
    with pytest.raises(MirrorRefused, match="mirror_missing"):
        Mirror(tmp_path).verify(ledger.pin())


def test_an_entry_edited_on_disk_is_found(mirror, server, ledger):
    sync(mirror, server)
    (bundle,) = (mirror.directory / "tile/entries/000.p").iterdir()
    bundle.write_bytes(bundle.read_bytes().replace(b'"principal:senna"', b'"principal:sanna"', 1))
    assert mirror.verify(ledger.pin()).wrong[0].code == "root_differs"


def test_an_erased_document_is_told_and_no_error(mirror, server, ledger):
    ledger.documents.pop(json.loads(ledger.leaves[1])["document"])
    assert sync(mirror, server).erased == 1
    assert [finding.code for finding in mirror.verify(ledger.pin()).wrong] == ["document_missing"]
    report = mirror.verify(ledger.pin(), allow_erased=True)
    assert report.holds
    assert [note.code for note in report.notes] == ["document_erased"]


def test_another_document_is_not_written(mirror, server, ledger):
    name = json.loads(ledger.leaves[1])["document"]
    ledger.documents[name] += " "
    assert refused(mirror, server).code == "document_differs"
    assert mirror.document(name) is None


def test_values_that_the_mirror_holds_are_kept(mirror, server, ledger):
    sync(mirror, server)
    opened = {"1": {"actor_name": ledger.opened["1"].pop("actor_name")}}
    ledger.opened["2"]["actor_name"]["value"] = "Mallory"
    ledger.access(2)
    assert sync(mirror, server).withdrawn == 1
    assert json.loads(mirror.opened(0))["1"] == opened["1"]
    assert mirror.verify(ledger.pin()).holds


def test_nothing_is_written_of_entries_that_do_not_make_the_root(mirror, server, ledger):
    sync(mirror, server)
    before = sorted(mirror.directory.rglob("*"))
    ledger.access(2)
    note = ledger.note()
    ledger.rewrite(8, actor="principal:mallory")
    server.checkpoint = lambda: note  # type: ignore[method-assign]
    assert refused(mirror, server).code == "root_differs"
    assert sorted(mirror.directory.rglob("*")) == before


def test_a_session_hidden_after_its_grant_is_found(mirror, server, ledger):
    ledger.request("LBX-2")
    ledger.decide("LBX-2")
    ledger.grant("LBX-2", "GRT-2")
    ledger.session("SES-2", "GRT-2")
    ledger.now += timedelta(hours=2)
    sync(mirror, server)
    assert [finding.code for finding in mirror.verify(ledger.pin()).wrong] == ["session_without_end"]


# ---- tiles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index, width, path",
    [
        (0, 256, "tile/0/000"),
        (0, 1, "tile/0/000.p/1"),
        (999, 256, "tile/0/999"),
        (1_234_067, 256, "tile/0/x001/x234/067"),
        (1000, 255, "tile/0/x001/000.p/255"),
    ],
)
def test_paths_are_those_of_the_specification(index, width, path):
    assert tile_path(0, index, width) == path


def test_a_tile_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="too short"):
        hash_reader(10, lambda _: b"x" * 32)(2, 1)


# ---- witness --------------------------------------------------------------------------------------------------------


@pytest.fixture
def key_file(tmp_path) -> Path:
    return tmp_path / "witness.key"


def cosign(server: Shown, key_file: Path) -> int | None:
    witness = load_witness(key_file, name="ambertide-witness")
    return witness_once(server, witness, log_keys=[server.ledger.vkey], now=server.ledger.now)  # type: ignore[arg-type]  # see above


def test_a_witness_cosigns_what_extends(server, ledger, key_file):
    assert cosign(server, key_file) == 6
    witness = load_witness(key_file, name="another")  # the name stays
    assert [name for name, _ in cosignatures(server.cosigned, [witness.vkey])] == ["ambertide-witness"]
    assert cosign(server, key_file) is None
    for number in range(2, 120):
        ledger.access(number)
    assert cosign(server, key_file) == len(ledger.leaves)
    assert len(server.asked) <= 6  # a proof, not the log


def test_a_word_that_was_not_taken_is_handed_in_again(server, key_file):
    cosign(server, key_file)
    server.cosigned = ""
    assert cosign(server, key_file) == 6
    assert server.cosigned


def test_a_witness_does_not_cosign_less(server, key_file):
    cosign(server, key_file)
    server.cosigned, server.size = "", 3
    with pytest.raises(MirrorRefused, match="rolled_back"):
        cosign(server, key_file)
    assert server.cosigned == ""


@pytest.mark.parametrize("grows", [0, 1, 120])
def test_a_witness_does_not_cosign_another_history(server, ledger, key_file, grows):
    cosign(server, key_file)
    server.cosigned = ""
    ledger.rewrite(2, actor="principal:mallory")
    for number in range(grows):
        ledger.access(number + 2)
    with pytest.raises(MirrorRefused, match="split_view"):
        cosign(server, key_file)
    assert server.cosigned == ""


def test_a_witness_does_not_cosign_what_the_log_did_not_sign(server, ledger, key_file):
    ledger.log_key = Ledger(seed=8).log_key
    with pytest.raises(MirrorRefused, match="checkpoint_refused"):
        cosign(server, key_file)


def test_a_witness_that_lost_its_memory_signs_nothing(server, key_file):
    cosign(server, key_file)
    load_witness(key_file, name="x").state.unlink()
    with pytest.raises(WitnessRefused):
        cosign(server, key_file)


def test_the_key_is_the_owners_alone(server, key_file):
    cosign(server, key_file)
    assert key_file.stat().st_mode & 0o777 == 0o600
    key_file.chmod(0o644)
    with pytest.raises(OSError, match="mode"):
        cosign(server, key_file)


@pytest.mark.parametrize("content", ["", "hello", "openlockbox.witness_key name !!", "other name " + "A" * 44])
def test_a_file_that_is_no_key(server, key_file, content):
    cosign(server, key_file)
    key_file.write_text(content)
    with pytest.raises(WitnessRefused):
        cosign(server, key_file)


# ---- the server -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://portal.example", "ftp://localhost", "portal.example", ""])
def test_a_token_goes_over_https_only(url):
    with pytest.raises(ServerRefused):
        Server(url, "olbx_secret")


def test_without_a_token_nothing_is_asked():
    with pytest.raises(ServerRefused, match="LOCKBOX_TOKEN"):
        Server("https://portal.example", "")


def test_a_server_that_is_away_is_named():
    with Server("http://localhost:1", "olbx_secret") as server, pytest.raises(ServerRefused, match="checkpoint"):
        server.get("/checkpoint")
