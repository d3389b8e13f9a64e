"""Take one guard out of a copy of the source and run the tests that are said to hold it: they must fail, for that reason alone."""

import multiprocessing
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
TESTS_FAILED: Final = 1  # pytest's exit status; 2 and above are broken runs, which prove nothing
PYTEST_SAID: Final = 100  # added to it: a process that breaks before exits with 1 too
LONGEST_SECONDS: Final = 120
# Imported once, in a server from which each run is forked: most of a run's time otherwise. Nothing of ours is among them.
PRELOADED: Final = [
    "pytest", "pytest_asyncio.plugin", "hypothesis", "_hypothesis_pytestplugin", "cryptography.x509", "sqlalchemy.orm", "litestar",
    "msgspec", "httpx", "websockets.asyncio.server", "websockets.asyncio.client", "webauthn", "pyotp", "argon2", "spnego",
    "asn1crypto.x509", "cedarpy", "jinja2",
]  # fmt: skip

_SERVER: Final = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(PRELOADED)


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard of the code: where it stands, what stands there without it, and the tests that must notice."""

    row: int  # of shared/reference/attacks.md; 0 for a guard that no row names
    name: str
    file: str  # below src/openlockbox
    text: str  # stands in the file exactly once
    without: str
    tests: str  # as on pytest's command line, below tests/: one file or test, and "-k" with a word if need be


def attack(row: int, test: str = "") -> str:
    """Name the tests of a row, or one of them, as `Guard.tests` wants it."""
    (path,) = Path(__file__).parent.glob(f"test_{row:02}_*.py")
    return f"attacks/{path.name}" + (f"::test_{test}" if test else "")


def copy_without(guard: Guard, directory: Path) -> None:
    """Copy the package by hard links, with the guard taken out.

    Raises:
        AssertionError: the guard's text does not stand in the file exactly once; the table must follow the code.
    """
    package = ROOT / "src" / "openlockbox"
    source = (package / guard.file).read_text()
    assert source.count(guard.text) == 1, f"{guard.file} holds the guard {source.count(guard.text)} times: {guard.text}"
    stale = f"{Path(guard.file).stem}.*.pyc"  # compiled code of the file with its guard; that of the others saves time
    shutil.copytree(package, directory / "openlockbox", copy_function=os.link, ignore=shutil.ignore_patterns(stale))
    mutated = directory / "openlockbox" / guard.file
    mutated.unlink()  # the link, not the file that it shares with the tree
    mutated.write_text(source.replace(guard.text, guard.without))


def run_without(guard: Guard, directory: Path) -> tuple[int | None, str]:
    """Run the guard's tests on the copy; return pytest's exit status, None when it took too long, and what it wrote."""
    copy_without(guard, directory)
    where, *which = guard.tests.split()
    run = _SERVER.Process(target=_run, args=(directory, [str(ROOT / "tests" / where), *which]))
    run.start()
    run.join(LONGEST_SECONDS)
    if run.exitcode is None:
        run.kill()
        run.join()
        return None, _output(directory)
    return run.exitcode - PYTEST_SAID, _output(directory)


def _output(directory: Path) -> str:
    return (directory / "output").read_text() if (directory / "output").exists() else ""


def _run(directory: Path, tests: list[str]) -> None:
    descriptor = os.open(directory / "output", os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    assert "openlockbox" not in sys.modules, "the server must know nothing of ours, or the copy would not be used"
    os.chdir(ROOT)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(directory))
    arguments = ["-x", "-q", "--no-header", "-p", "no:randomly", "-o", f"cache_dir={directory}/cache"]
    arguments += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]  # those above
    sys.exit(PYTEST_SAID + pytest.main([*arguments, *tests]))
