"""The tenants' pins on the gateway's disk: one private file each. They only ever move forward."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Final, cast

from openlockbox.gateway.private_files import check_private, make_private_directory, read_private, write_private_json
from openlockbox.grants.encoding import EnvelopeRefused, Json
from openlockbox.grants.pin import TenantPin, decode_pin, encode_pin

_SUFFIX: Final = ".json"


class PinUnusable(OSError):
    """A pin's file cannot be read as one, or the new pin takes back what the old one holds."""


class Pins:
    """The directory. Every look reads the file, so that `lockbox gateway trust` works beside a running gateway."""

    def __init__(self, directory: Path, *, first_contact: bool) -> None:
        self._directory, self._first_contact = directory, first_contact

    def find(self, tenant_id: str) -> TenantPin | None:
        """Return the tenant's pin; an empty one at a first contact that is allowed; None at one that is not.

        Raises:
            OSError: the file is there and cannot be used; a damaged pin is no first contact.
        """
        try:
            return self._read(self._path(tenant_id), tenant_id)
        except FileNotFoundError:
            return TenantPin(tenant_id=tenant_id) if self._first_contact else None

    def keep(self, pin: TenantPin) -> None:
        """Write a pin that differs from the one that is there, durably.

        Raises:
            OSError: it cannot be written, or it would go back (`PinUnusable`).
        """
        path = self._path(pin.tenant_id)
        make_private_directory(self._directory)
        try:
            old = self._read(path, pin.tenant_id)
        except FileNotFoundError:
            old = None
        if old is not None and not pin.follows(old):
            raise PinUnusable(f"{path}: it would go back")
        if pin != old:
            write_private_json(path, encode_pin(pin))

    def all(self) -> list[TenantPin]:
        """Return every pin, by tenant.

        Raises:
            OSError: one cannot be read.
        """
        paths = sorted(path for path in self._directory.glob(f"*{_SUFFIX}") if not path.name.startswith("."))
        return sorted((self._read(path, None) for path in paths), key=lambda pin: pin.tenant_id)

    def _path(self, tenant_id: str) -> Path:
        return self._directory / f"{sha256(tenant_id.encode()).hexdigest()}{_SUFFIX}"

    def _read(self, path: Path, tenant_id: str | None) -> TenantPin:
        data = read_private(path)
        check_private(self._directory.stat(), self._directory)
        try:
            pin = decode_pin(cast("Json", json.loads(data)))
        except (ValueError, RecursionError, EnvelopeRefused) as error:
            raise PinUnusable(f"{path}: {error}") from error
        if tenant_id is not None and pin.tenant_id != tenant_id:
            raise PinUnusable(f"{path}: another tenant's")
        return pin
