"""The .rdp file that a native client opens. Pure text; holds a single-use token, never a password."""

from typing import Final

MAX_NAME: Final = 100


def render_rdp_file(gateway_host: str, gateway_port: int, token: str, resource_name: str) -> str:
    """Write the file: the gateway as address, the token as preconnection blob, and every redirection off.

    The resource's name is shown by the client's window; control characters in it are dropped, so that it cannot add lines.

    Raises:
        ValueError: a host or token that could break out of its line.
    """
    for value in (gateway_host, token):
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("host and token are printable ASCII without spaces")
    name = "".join(character for character in resource_name if character.isprintable())[:MAX_NAME]
    host = f"[{gateway_host}]" if ":" in gateway_host else gateway_host
    lines = (
        f"full address:s:{host}:{gateway_port}",
        f"pcb:s:{token}",
        f"remotedesktopname:s:{name}",
        # The gateway signs in at the machine. The one-time password of the page travels inside TLS, not by CredSSP.
        "enablecredsspsupport:i:0",
        "authentication level:i:2",
        "prompt for credentials:i:1",
        "promptcredentialonce:i:1",
        "autoreconnection enabled:i:0",
        "screen mode id:i:1",
        "desktopwidth:i:1280",
        "desktopheight:i:800",
        "session bpp:i:32",
        "connection type:i:6",
        "networkautodetect:i:0",
        "bandwidthautodetect:i:0",
        "compression:i:0",
        "redirectclipboard:i:0",
        "redirectdrives:i:0",
        "drivestoredirect:s:",
        "redirectprinters:i:0",
        "redirectcomports:i:0",
        "redirectsmartcards:i:0",
        "redirectposdevices:i:0",
        "redirectwebauthn:i:0",
        "devicestoredirect:s:",
        "usbdevicestoredirect:s:",
        "camerastoredirect:s:",
        "audiocapturemode:i:0",
        "audiomode:i:2",
        "use multimon:i:0",
        "gatewayusagemethod:i:0",
    )
    return "\r\n".join(lines) + "\r\n"
