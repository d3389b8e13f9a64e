"""A bounded reader over one packet. Reading past the end is a malformed packet, never an IndexError."""

from typing import Final

from openlockbox.gateway.rdp.ends import MalformedPdu

_PER_LONG: Final = 0x80
_PER_FRAGMENT: Final = 0x40


class Octets:
    """Reads integers and runs of bytes in order."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self._at

    @property
    def at(self) -> int:
        """Offset of the next byte."""
        return self._at

    def take(self, count: int) -> bytes:
        """Read exactly `count` bytes.

        Raises:
            MalformedPdu: there are fewer.
        """
        if count < 0 or self.left < count:
            raise MalformedPdu("packet too short")
        piece = self._data[self._at : self._at + count]
        self._at += count
        return piece

    def expect(self, wanted: bytes) -> None:
        """Read these bytes and no others.

        Raises:
            MalformedPdu: there are others.
        """
        if self.take(len(wanted)) != wanted:
            raise MalformedPdu("unexpected bytes")

    def u8(self) -> int:
        """Read one byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Read 16 bits, little-endian, as RDP writes."""
        return int.from_bytes(self.take(2), "little")

    def u32(self) -> int:
        """Read 32 bits, little-endian."""
        return int.from_bytes(self.take(4), "little")

    def u16_be(self) -> int:
        """Read 16 bits, big-endian, as MCS writes."""
        return int.from_bytes(self.take(2), "big")

    def per_length(self) -> int:
        """Read a PER length of one or two bytes.

        Raises:
            MalformedPdu: a fragmented length, which RDP does not use.
        """
        first = self.u8()
        if not first & _PER_LONG:
            return first
        if first & _PER_FRAGMENT:
            raise MalformedPdu("fragmented per length")
        return (first & 0x3F) << 8 | self.u8()

    def ber(self, tag: bytes) -> bytes:
        """Read the contents of the BER element with this tag.

        Raises:
            MalformedPdu: another tag, or a length that is indefinite or beyond 64 KiB.
        """
        self.expect(tag)
        first = self.u8()
        if first == 0x81:  # noqa: PLR2004
            first = self.u8()
        elif first == 0x82:  # noqa: PLR2004
            first = self.u16_be()
        elif first >= 0x80:  # noqa: PLR2004
            raise MalformedPdu("ber length")
        return self.take(first)


def per_length(length: int) -> bytes:
    """Write a PER length, always in its two-byte form, as every RDP client does."""
    return (0x8000 | length).to_bytes(2, "big")


def ber(tag: bytes, contents: bytes) -> bytes:
    """Write a BER element."""
    size = len(contents)
    if size < 0x80:  # noqa: PLR2004
        return tag + bytes([size]) + contents
    return tag + b"\x82" + size.to_bytes(2, "big") + contents
