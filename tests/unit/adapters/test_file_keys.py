"""Keys in files: only ours, never overwritten, rotated with overlap."""

import os
import stat
from itertools import combinations
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from openlockbox.activitylog.note import Checkpoint, open_checkpoint, sign_checkpoint, verifier_key
from openlockbox.activitylog.tree import EMPTY_ROOT
from openlockbox.adapters.keys.files import PURPOSES, FileKeys, KeyFilePermission, KeyFileRefused
from openlockbox.grants.envelope import Kind, open_envelope, seal
from openlockbox.grants.trust import decode_trust


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    FileKeys.create(tmp_path / "keys")
    return tmp_path / "keys"


def trusted(keys: FileKeys, purpose: str) -> set[str]:
    bundle = decode_trust(dict(keys.trust()))  # type: ignore[arg-type]  # plain JSON values
    return set(getattr(bundle, f"{purpose.removesuffix('s')}_keys"))


def version(keys: FileKeys) -> int:
    return decode_trust(dict(keys.trust())).version  # type: ignore[arg-type]  # plain JSON values


def test_everything_is_made_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        FileKeys.create(tmp_path / "keys")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    files = list((tmp_path / "keys").iterdir())
    assert len(files) == 9
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_what_the_signer_signs_the_bundle_verifies(directory: Path) -> None:
    keys = FileKeys(directory)
    bundle = decode_trust(dict(keys.trust()))  # type: ignore[arg-type]  # plain JSON values
    text = seal(Kind.GRANT, {"a": 1}, keys.signer("grants"))
    assert open_envelope(Kind.GRANT, text, bundle.grant_keys) == {"a": 1}


def test_each_purpose_has_a_key_of_its_own(directory: Path) -> None:
    keys = FileKeys(directory)
    assert len({keys.signer(purpose).key_id for purpose in PURPOSES}) == len(PURPOSES)


def test_what_the_checkpoint_signer_signs_the_bundle_verifies(directory: Path) -> None:
    keys = FileKeys(directory)
    keys.add("checkpoints")
    bundle = decode_trust(dict(keys.trust()))  # type: ignore[arg-type]  # plain JSON values
    vkeys = [verifier_key("log", key.public_bytes_raw()) for key in bundle.checkpoint_keys.values()]
    checkpoint = Checkpoint("log", 0, EMPTY_ROOT)
    assert len(vkeys) == 2
    assert open_checkpoint(sign_checkpoint(checkpoint, keys.signer("checkpoints")), vkeys) == checkpoint


def test_keys_and_secrets_are_the_same_after_a_restart(directory: Path) -> None:
    first, second = FileKeys(directory), FileKeys(directory)
    assert first.trust() == second.trust()
    for name in ("totp", "cookie"):
        assert first.secret(name) == second.secret(name)
        assert len(first.secret(name)) == 32
    assert first.secret("totp") != first.secret("cookie")


def test_unknown_names_are_key_errors(directory: Path) -> None:
    keys = FileKeys(directory)
    for ask in (keys.signer, keys.secret, keys.key_ids, keys.add):
        with pytest.raises(KeyError):
            ask("sessions")


def test_keys_are_never_overwritten(directory: Path) -> None:
    before = FileKeys(directory).trust()
    with pytest.raises(KeyFileRefused, match="never overwritten"):
        FileKeys.create(directory)
    assert FileKeys(directory).trust() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o601])
@pytest.mark.parametrize(
    "name", ["grants-*.pem", "revocations-*.pem", "totp.key", "cookie.key", "grants.current", "trust-version"]
)
def test_a_file_that_others_can_reach_is_refused_by_name(directory: Path, name: str, mode: int) -> None:
    (path,) = directory.glob(name)
    path.chmod(mode)
    with pytest.raises(KeyFilePermission, match=path.name):
        FileKeys(directory)


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777, 0o711])
def test_a_directory_that_others_can_reach_is_refused(directory: Path, mode: int) -> None:
    directory.chmod(mode)
    with pytest.raises(KeyFilePermission, match="keys"):
        FileKeys(directory)


@pytest.mark.needs_root
@pytest.mark.parametrize("name", ["totp.key", "."])
def test_what_belongs_to_somebody_else_is_refused(directory: Path, name: str) -> None:
    os.chown(directory / name, 65534, -1)
    with pytest.raises(KeyFilePermission, match="65534"):
        FileKeys(directory)


def test_a_symbolic_link_is_refused(directory: Path, tmp_path: Path) -> None:
    (directory / "totp.key").rename(tmp_path / "elsewhere")
    (directory / "totp.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFileRefused, match=r"totp\.key"):
        FileKeys(directory)
    (tmp_path / "link").symlink_to(directory)
    with pytest.raises(KeyFileRefused, match="link"):
        FileKeys(tmp_path / "link")


def test_a_pipe_is_refused_and_does_not_hang(directory: Path) -> None:
    (directory / "totp.key").unlink()
    os.mkfifo(directory / "totp.key", 0o600)
    with pytest.raises(KeyFileRefused, match=r"totp\.key"):
        FileKeys(directory)


@pytest.mark.parametrize("name", ["grants-*.pem", "totp.key", "grants.current", "trust-version"])
def test_a_missing_file_is_refused(directory: Path, name: str) -> None:
    (path,) = directory.glob(name)
    path.unlink()
    with pytest.raises(KeyFileRefused):
        FileKeys(directory)


@pytest.mark.parametrize("name", ["grants-*.pem", "totp.key", "grants.current", "trust-version"])
@pytest.mark.parametrize("data", [b"", b"nonsense", b"\xff\xfe", b"-1", "²".encode()])
def test_a_damaged_file_is_refused(directory: Path, name: str, data: bytes) -> None:
    (path,) = directory.glob(name)
    path.write_bytes(data)
    with pytest.raises(KeyFileRefused):
        FileKeys(directory)


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileRefused, match="nowhere"):
        FileKeys(tmp_path / "nowhere")


def test_a_key_under_another_name_is_refused(directory: Path) -> None:
    (path,) = directory.glob("grants-*.pem")
    path.rename(directory / "grants-0123456789abcdef.pem")
    with pytest.raises(KeyFileRefused, match="not its name"):
        FileKeys(directory)


def test_another_kind_of_key_is_refused(directory: Path) -> None:
    (path,) = directory.glob("grants-*.pem")
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(pem)
    with pytest.raises(KeyFileRefused, match="Ed25519"):
        FileKeys(directory)


@pytest.mark.parametrize("one, other", list(combinations(PURPOSES, 2)))
def test_one_key_for_two_purposes_is_refused(directory: Path, one: str, other: str) -> None:
    (path,) = directory.glob(f"{one}-*.pem")
    copy = directory / path.name.replace(one, other)
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o600)
    with pytest.raises(KeyFileRefused, match=f"serves {one} and {other}"):
        FileKeys(directory)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_rotation_overlaps(directory: Path, purpose: str) -> None:
    keys = FileKeys(directory)
    old, start = keys.signer(purpose).key_id, version(keys)
    new = keys.add(purpose)
    assert keys.signer(purpose).key_id == old
    assert trusted(keys, purpose) == {old, new}
    keys.promote(purpose, new)
    assert keys.signer(purpose).key_id == new
    assert trusted(FileKeys(directory), purpose) == {old, new}
    keys.retire(purpose, old)
    assert trusted(keys, purpose) == {new}
    again = FileKeys(directory)
    assert again.trust() == keys.trust()
    assert again.key_ids(purpose) == (new,)
    assert version(again) == start + 2


def test_the_key_that_signs_cannot_be_retired(directory: Path) -> None:
    keys = FileKeys(directory)
    keys.add("grants")
    with pytest.raises(KeyFileRefused):
        keys.retire("grants", keys.signer("grants").key_id)
    with pytest.raises(KeyFileRefused):
        keys.retire("grants", "0123456789abcdef")


def test_an_unknown_key_cannot_be_promoted(directory: Path) -> None:
    keys = FileKeys(directory)
    for key_id in ("0123456789abcdef", "../../etc", keys.signer("revocations").key_id):
        with pytest.raises(KeyFileRefused):
            keys.promote("grants", key_id)


def test_a_rotation_leaves_no_other_files_and_all_private(directory: Path) -> None:
    keys = FileKeys(directory)
    keys.promote("grants", keys.add("grants"))
    assert len(list(directory.iterdir())) == 10
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
