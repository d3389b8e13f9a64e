"""A customer's copy of their log on disk, in C2SP tlog-tiles, with opened values and documents beside it.

It grows only by what extends it: the entries kept and the new ones together must make the new checkpoint's root. A server that
shows less than before, or other entries, is refused and named, and the copy stays as it was.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from openlockbox.activitylog.entry import hash_leaf
from openlockbox.activitylog.note import Checkpoint, origin_of
from openlockbox.auditor.notes import MirrorRefused, read_note
from openlockbox.auditor.server import LogServer, NotThere
from openlockbox.auditor.tiles import WIDTH, bundles_of, complete, split_hashes, tile_path
from openlockbox.verification.audit import LogAudit, Notes
from openlockbox.verification.findings import Report
from openlockbox.verification.leaves import LeafRefused, read_leaf, read_opened, split_bundle
from openlockbox.verification.pin import Pin
from openlockbox.verification.roots import LogTree

STATE: Final = "mirror.json"
STAGED: Final = "staged"  # new entries, until they make the root


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What one run brought."""

    before: int
    size: int
    erased: int  # documents that the server no longer has
    withdrawn: int  # personal values that the server no longer has and the copy keeps


class Mirror:
    """A copy in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    # ---- reading ----

    def state(self) -> tuple[str, datetime]:
        """Return whose log this is and when it was last compared with the server's.

        Raises:
            MirrorRefused: no mirror lies here.
        """
        try:
            read = json.loads((self.directory / STATE).read_text("utf-8"))
            return str(read["tenant_id"]), datetime.fromisoformat(read["synced_at"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MirrorRefused("mirror_missing", f"{self.directory} holds no complete mirror") from error

    def note(self, name: str = "checkpoint") -> str:
        """Return the kept checkpoint, or the `witnessed` one; "" where there is none."""
        try:
            return (self.directory / name).read_text("utf-8")
        except FileNotFoundError:
            return ""

    def bundle(self, index: int, width: int) -> list[bytes]:
        """Return the leaves of a bundle. Raises LeafRefused, OSError."""
        return split_bundle((self.directory / tile_path("entries", index, width)).read_bytes())

    def opened(self, index: int) -> bytes:
        """Return the opened values of a bundle; none where the file is missing."""
        try:
            return self._opened_file(index).read_bytes()
        except FileNotFoundError:
            return b"{}"

    def document(self, sha256: str) -> str | None:
        """Return a document, None where it has been erased."""
        try:
            return self._document_file(sha256).read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return None

    def _opened_file(self, index: int) -> Path:
        return self.directory / (tile_path("opened", index).removeprefix("tile/") + ".json")

    def _document_file(self, sha256: str) -> Path:
        return self.directory / "documents" / sha256[:2] / sha256

    # ---- growing ----

    def sync(self, server: LogServer, *, now: datetime) -> Synced:
        """Bring the copy up to the server's checkpoint.

        Raises:
            MirrorRefused: `rolled_back`, `split_view`, `root_differs`, `mirror_damaged`, `origin_differs`, `checkpoint_malformed`.
            ServerRefused: it cannot be read.
        """
        old, kept = self._kept(server.tenant_id)
        note = server.checkpoint()
        new = read_note(note, server.tenant_id)
        if new.size < old.size:
            raise MirrorRefused("rolled_back", f"The server shows {new.size} entries; it has shown {old.size} before.")
        if new.size == old.size and new.root != old.root:
            raise MirrorRefused("split_view", f"The server shows another log of {new.size} entries than before.")
        erased, withdrawn = self._grow(server, old, new, kept) if new.size > old.size else (0, 0)
        witnessed = server.witnessed()
        self.write("witnessed", witnessed.encode()) if witnessed else None
        self.write("checkpoint", note.encode())
        self.write_state(server.tenant_id, now)
        self._drop_partial(old.size, new.size)
        return Synced(before=old.size, size=new.size, erased=erased, withdrawn=withdrawn)

    def _kept(self, tenant_id: str) -> tuple[Checkpoint, LogTree]:
        """Return what was accepted last, and the tree over the complete bundles kept."""
        if not self.note():
            return Checkpoint(origin=origin_of(tenant_id), size=0, root=LogTree().root()), LogTree()
        if self.state()[0] != tenant_id:
            raise MirrorRefused("tenant_differs", f"{self.directory} mirrors the log of {self.state()[0]}")
        old, tree, whole = read_note(self.note(), tenant_id), LogTree(), LogTree()
        try:
            for index, width in bundles_of(old.size):
                hashes = split_hashes((self.directory / tile_path(0, index, width)).read_bytes())
                whole.add(hashes)
                if width == WIDTH:
                    tree.add(hashes)
        except (OSError, ValueError) as error:
            raise MirrorRefused("mirror_damaged", str(error)) from error
        if whole.root() != old.root or whole.size != old.size:
            raise MirrorRefused("mirror_damaged", "The kept entries do not make the kept checkpoint's root.")
        return old, tree

    def _grow(self, server: LogServer, old: Checkpoint, new: Checkpoint, tree: LogTree) -> tuple[int, int]:
        staged = self.directory / STAGED
        shutil.rmtree(staged, ignore_errors=True)  # of a run that did not end
        try:
            taken = self._stage(server, old, new, tree)
            if tree.root() != new.root:
                self._name_difference(server, old, new)
            erased = withdrawn = 0
            for index, width in taken:
                for kind in ("entries", 0):
                    name = tile_path(kind, index, width)
                    (self.directory / name).parent.mkdir(parents=True, exist_ok=True)
                    (staged / name).replace(self.directory / name)
                withdrawn += self._merge_opened(index, server.opened(index))
                first = max(old.size - index * WIDTH, 0)
                erased += self._fetch_documents(server, self.bundle(index, width)[first:])
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        self._write_upper_tiles(tree)
        return erased, withdrawn

    def _stage(self, server: LogServer, old: Checkpoint, new: Checkpoint, tree: LogTree) -> list[tuple[int, int]]:
        """Fetch the new bundles to the side, and return their numbers and widths: they are not believed yet."""
        taken = []
        for index, width in bundles_of(new.size):
            if index < old.size // WIDTH:
                continue
            data, leaves = _fetch(server, index, width)
            kept = old.size - index * WIDTH
            before = self.bundle(index, kept) if 0 < kept < WIDTH else []
            for offset, (leaf, was) in enumerate(zip(leaves, before, strict=False)):
                if leaf != was:
                    sentence = f"The server shows another entry {index * WIDTH + offset} than before."
                    raise MirrorRefused("split_view", sentence)
            hashes = [hash_leaf(leaf) for leaf in leaves]
            tree.add(hashes)
            self.write(f"{STAGED}/{tile_path('entries', index, width)}", data)
            self.write(f"{STAGED}/{tile_path(0, index, width)}", b"".join(hashes))
            taken.append((index, width))
        return taken

    def _merge_opened(self, index: int, data: bytes) -> int:
        """Add the server's opened values of a bundle to those kept, which stay; return how many of them it no longer has."""
        try:
            kept = read_opened(self.opened(index))
        except LeafRefused:
            kept = {}
        if not kept:
            self.write_opened(index, data)  # `log verify` names what is malformed
            return 0
        try:
            new = read_opened(data)
        except LeafRefused:
            new = {}
        merged, withdrawn = dict(new), 0
        for place, fields in kept.items():
            told = new.get(place)
            if isinstance(fields, dict):
                told = told if isinstance(told, dict) else {}
                withdrawn += len(fields.keys() - told.keys())
                merged[place] = {**told, **fields}
            else:
                merged[place] = fields
        self.write_opened(index, json.dumps(merged).encode())
        return withdrawn

    def _fetch_documents(self, server: LogServer, leaves: list[bytes]) -> int:
        erased = 0
        for leaf in leaves:
            with suppress(LeafRefused):  # `log verify` names it
                sha256 = read_leaf(leaf).document
                if not sha256 or self._document_file(sha256).exists():
                    continue
                body = server.document(sha256)
                erased += body is None
                if body is None:
                    continue
                if hashlib.sha256(body).hexdigest() != sha256:
                    raise MirrorRefused("document_differs", f"The server shows another document than {sha256}.")
                self.write_document(sha256, body)
        return erased

    def _name_difference(self, server: LogServer, old: Checkpoint, new: Checkpoint) -> None:
        """Find out whether the server's log fits its own checkpoint: then it is another log than the one kept."""
        theirs, first = LogTree(), None
        for index, width in bundles_of(new.size):
            _, leaves = _fetch(server, index, width)
            theirs.add([hash_leaf(leaf) for leaf in leaves])
            if first is None and index < old.size // WIDTH:
                mine = self.bundle(index, WIDTH)
                first = next((index * WIDTH + i for i in range(WIDTH) if leaves[i] != mine[i]), None)
        if theirs.root() == new.root:
            place = "" if first is None else f"; it differs from entry {first} on"
            raise MirrorRefused("split_view", f"The server shows another log than before{place}.")
        raise MirrorRefused("root_differs", "The entries that the server shows do not make its checkpoint's root.")

    def _write_upper_tiles(self, tree: LogTree) -> None:
        """Write the tiles above the leaves: each hash in one stands for a complete tile below."""
        level, hashes = 1, list(tree.steps)
        while hashes:
            for index, width in bundles_of(len(hashes)):
                tile = hashes[index * WIDTH : index * WIDTH + width]
                self.write(tile_path(level, index, width), b"".join(tile))
            whole = len(hashes) // WIDTH
            hashes = [complete(hashes[at * WIDTH : (at + 1) * WIDTH]) for at in range(whole)]
            level += 1

    def _drop_partial(self, before: int, size: int) -> None:
        """Remove partial tiles that later ones hold completely."""
        if before == size:
            return
        for level in ("entries", 0, 1, 2, 3):
            shift = 0 if level == "entries" else 8 * int(level)
            was, now = before >> shift, size >> shift
            for index in {was // WIDTH, now // WIDTH}:
                directory = self.directory / (tile_path(level, index) + ".p")
                for file in directory.iterdir() if directory.is_dir() else ():
                    if int(file.name) != now % WIDTH or index != now // WIDTH:
                        file.unlink()
                with suppress(OSError):
                    directory.rmdir()

    # ---- writing ----

    def write_opened(self, index: int, data: bytes) -> None:
        """Write the opened values of a bundle."""
        self.write(str(self._opened_file(index).relative_to(self.directory)), data)

    def write_document(self, sha256: str, body: bytes) -> None:
        """Write a document."""
        self.write(str(self._document_file(sha256).relative_to(self.directory)), body)

    def write_state(self, tenant_id: str, now: datetime) -> None:
        """Write whose log this is and when it was compared."""
        state = {"tenant_id": tenant_id, "synced_at": now.astimezone(UTC).isoformat()}
        self.write(STATE, json.dumps(state).encode())

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all."""
        file = self.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f".{file.name}.new")
        with beside.open("wb") as stream:
            stream.write(data)
            if name in {"checkpoint", "witnessed"}:
                stream.flush()
                os.fsync(stream.fileno())
        beside.replace(file)

    # ---- verifying ----

    def verify(self, pin: Pin, *, allow_erased: bool = False) -> Report:
        """Verify everything that is kept, as of the last run of `sync`.

        Raises:
            MirrorRefused: no mirror lies here, or files are missing.
        """
        tenant_id, synced_at = self.state()
        note = self.note()
        audit = LogAudit(
            tenant_id,
            pin=pin,
            documents=self.document,
            notes=Notes(checkpoint=note, witnessed=self.note("witnessed")),
            allow_erased=allow_erased,
        )
        for leaves, opened in self._bundles(read_note(note, tenant_id).size):
            audit.take(leaves, opened)
        return audit.finish(synced_at)

    def _bundles(self, size: int) -> Iterator[tuple[list[bytes], bytes]]:
        for index, width in bundles_of(size):
            try:
                leaves = self.bundle(index, width)
            except FileNotFoundError as error:
                raise MirrorRefused("entries_missing", f"{error.filename} is missing") from error
            except LeafRefused as error:
                raise MirrorRefused("entries_malformed", f"bundle {index}: {error}") from error
            if len(leaves) != width:
                raise MirrorRefused("entries_missing", f"bundle {index} has {len(leaves)} entries of {width}")
            yield leaves, self.opened(index)


def _fetch(server: LogServer, index: int, width: int) -> tuple[bytes, list[bytes]]:
    """Return a bundle of the server's, as it is and taken apart."""
    try:
        data = server.tile(tile_path("entries", index, width))
        leaves = split_bundle(data)
    except NotThere as error:
        sentence = f"The server's checkpoint counts entries that it does not show ({error})."
        raise MirrorRefused("entries_missing", sentence) from error
    except LeafRefused as error:
        raise MirrorRefused("entries_malformed", f"bundle {index}: {error}") from error
    if len(leaves) != width:
        raise MirrorRefused("entries_missing", f"The server's bundle {index} has {len(leaves)} entries of {width}.")
    return data, leaves
