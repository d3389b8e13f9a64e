"""Reads a customer's log from a server over HTTP with a personal token. Believes nothing of what it reads."""

from types import TracebackType
from typing import Final, Self
from urllib.parse import quote, urlsplit

import httpx

MAX_ANSWER: Final = 67_108_864
TIMEOUT: Final = 30.0
NOT_FOUND: Final = 404
LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class ServerRefused(Exception):
    """The server cannot be reached, is not to be spoken to, or says no. The message says which."""

    code = "server_refused"


class NotThere(ServerRefused):
    """The server has no such thing, or none for this token."""


class Server:
    """One server and one token. Redirects are not followed: the token is for this server alone."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and (parts.scheme != "http" or parts.hostname not in LOCAL):
            raise ServerRefused(f"{url}: a token is sent over https only, or to this machine")
        if not token:
            raise ServerRefused("there is no token: put a personal token into LOCKBOX_TOKEN")
        self._client = httpx.Client(
            base_url=url.rstrip("/"), headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str) -> bytes:
        """Return what stands at a path.

        Raises:
            ServerRefused: it does not, or the server cannot be reached.
        """
        found = self.find(path)
        if found is None:
            raise NotThere(f"{path}: not found, or not for this token")
        return found

    def find(self, path: str) -> bytes | None:
        """Return what stands at a path, None for 404.

        Raises:
            ServerRefused: any other refusal.
        """
        return self._ask("GET", path, b"")

    def post(self, path: str, body: bytes, media_type: str) -> bytes:
        """Send a body and return the answer.

        Raises:
            ServerRefused: it was not taken.
        """
        answer = self._ask("POST", path, body, media_type)
        if answer is None:
            raise NotThere(f"{path}: not found, or not for this token")
        return answer

    def _ask(self, method: str, path: str, body: bytes, media_type: str = "") -> bytes | None:
        headers = {"Content-Type": media_type} if media_type else {}
        try:
            with self._client.stream(method, path, content=body or None, headers=headers) as answer:
                if answer.status_code == NOT_FOUND:
                    return None
                data = bytearray()
                for part in answer.iter_bytes():
                    data += part
                    if len(data) > MAX_ANSWER:
                        raise ServerRefused(f"{path}: the answer does not end")
        except httpx.HTTPError as error:
            raise ServerRefused(f"{path}: {error}") from error
        if not answer.is_success:
            raise ServerRefused(f"{path}: {answer.status_code} {_reason(bytes(data))}".rstrip())
        return bytes(data)


def _reason(data: bytes) -> str:
    text = data[:300].decode(errors="replace")
    return "".join(letter if letter.isprintable() else " " for letter in text)


class LogServer:
    """One organization's log on a server, in C2SP tlog-tiles and what lies beside it."""

    def __init__(self, server: Server, tenant_id: str) -> None:
        self._server, self._base = server, f"/log/{quote(tenant_id, safe='')}"
        self.tenant_id = tenant_id

    def checkpoint(self) -> str:
        """Return the newest checkpoint."""
        return self._server.get(f"{self._base}/checkpoint").decode(errors="replace")

    def witnessed(self) -> str:
        """Return the newest checkpoint that witnesses have cosigned; "" where there is none."""
        found = self._server.find(f"{self._base}/witnessed")
        return "" if found is None else found.decode(errors="replace")

    def tile(self, path: str) -> bytes:
        """Return a tile or an entry bundle by its path from `tile/` on."""
        return self._server.get(f"{self._base}/{path}")

    def opened(self, bundle: int) -> bytes:
        """Return the opened personal fields of a bundle."""
        return self._server.get(f"{self._base}/opened/{bundle}")

    def document(self, sha256: str) -> bytes | None:
        """Return a document, None where it has been erased."""
        return self._server.find(f"{self._base}/documents/{quote(sha256, safe='')}")

    def submit_cosignature(self, note: str) -> None:
        """Hand in a checkpoint with a cosignature under it."""
        self._server.post(f"{self._base}/cosignatures", note.encode(), "text/plain")
