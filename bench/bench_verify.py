"""`lockbox log verify` over a million entries: seconds, memory, and the ratio to SHA-256 over the same bytes in the same run.

The mix: among 1,000,000 entries 5,000 whole accesses (request, signed decision, grant, session, end) of one organization, which is
two each working day for ten years; the rest are sign-ins, replies, prepared connections and refusals.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from openlockbox.activitylog.entry import hash_leaf
from openlockbox.auditor.mirror import Mirror
from openlockbox.auditor.tiles import WIDTH, bundles_of, tile_path
from openlockbox.verification.pin import write_pin
from tests.ledger import Ledger

OTHERS: Final = (
    ("sign_in.succeeded", "principal:senna"),
    ("service_request.replied", "service_request:SR-0123456789abcdef"),
    ("sign_in.ended", "principal:senna"),
    ("session.offered", "session:SES-0123456789abcdef"),
    ("sign_in.failed", "principal:orla"),
    ("service_request.assigned", "service_request:SR-0123456789abcdef"),
    ("activity.read.refused", "tenant:ambertide"),
)


def make(entries: int, accesses: int) -> Ledger:
    """Make the log in memory."""
    ledger = Ledger()
    ledger.roster()
    every = max(1, entries // max(accesses, 1))
    written = 0
    while len(ledger.leaves) < entries:
        if len(ledger.leaves) // every >= written and written < accesses:
            written += 1
            ledger.access(written)
            continue
        action, subject = OTHERS[len(ledger.leaves) % len(OTHERS)]
        ledger.add(action, subject, detail={"via": "portal"}, personal={"actor_name": "Senna Okafor"})
    return ledger


def write(entries: int, accesses: int, directory: Path, pin: Path) -> None:
    """Make it and write it as a mirror has it, with its pin."""
    ledger = make(entries, accesses)
    mirror = Mirror(directory)
    size = len(ledger.leaves)
    for index, width in bundles_of(size):
        first = index * WIDTH
        leaves = ledger.leaves[first : first + width]
        mirror.write(tile_path("entries", index, width), b"".join(len(x).to_bytes(2, "big") + x for x in leaves))
        mirror.write(tile_path(0, index, width), b"".join(map(hash_leaf, leaves)))
        beside = {str(i): ledger.opened[str(i)] for i in range(first, first + width) if str(i) in ledger.opened}
        mirror.write_opened(index, json.dumps(beside, separators=(",", ":")).encode())
    for sha256, body in ledger.documents.items():
        mirror.write_document(sha256, body.encode())
    mirror.write("checkpoint", ledger.note().encode())
    mirror.write_state(ledger.tenant, ledger.now)
    pin.write_text(write_pin(ledger.pin()), encoding="utf-8")
    size = sum(map(len, ledger.leaves))
    print(f"{entries} entries, {accesses} accesses, {size / 1e6:.0f} MB of leaves, {len(ledger.documents)} documents")


def measure(directory: Path, pin: Path) -> tuple[float, float, float]:
    """Run the command; return wall seconds, processor seconds, and MiB at most."""
    command = (sys.executable, "-m", "openlockbox.cli.main", "log", "verify", str(directory), "--pin", str(pin))
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    output = b"" if child.stdout is None else child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    wall = time.monotonic() - began
    assert status == 0, output.decode()[:2000]
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def raw(directory: Path) -> float:
    """Return the processor seconds of SHA-256 over the entry bundles, reading included."""
    began = time.process_time()
    running = hashlib.sha256()
    for file in sorted((directory / "tile/entries").rglob("*")):
        if file.is_file():
            running.update(file.read_bytes())
    return time.process_time() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--accesses", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    given = parser.parse_args()
    entries, accesses = (5_000, 50) if given.quick else (given.entries, given.accesses)
    with tempfile.TemporaryDirectory() as made:
        directory, pin = Path(made, "mirror"), Path(made, "pin")
        # In a process of its own: what a process had before it became the command counts into the command's memory.
        maker = multiprocessing.get_context("spawn").Process(target=write, args=(entries, accesses, directory, pin))
        maker.start()
        maker.join()
        for _ in range(1 if given.quick else given.rounds):
            hashed = raw(directory)
            wall, used, memory = measure(directory, pin)
            load = os.getloadavg()[0]
            print(
                f"verify {wall:.1f} s wall, {used:.1f} s processor, {memory:.0f} MiB; "
                f"SHA-256 alone {hashed:.2f} s; ratio {used / hashed:.1f}; load {load:.1f}"
            )


if __name__ == "__main__":
    main()
