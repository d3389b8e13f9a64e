"""Settings files of the xrdp test desktop. Pure text."""

from pathlib import Path


def xrdp_ini(folder: Path, *, host: str, port: int) -> str:
    """Write the settings of xrdp: TLS only, one session type."""
    return f"""[Globals]
ini_version=1
fork=true
port=tcp://{host}:{port}
tcp_nodelay=true
security_layer=tls
certificate={folder / "certificate.pem"}
key_file={folder / "key.pem"}
ssl_protocols=TLSv1.2, TLSv1.3
autorun=
allow_channels=true
bitmap_cache=true
bitmap_compression=true
bulk_compression=true
max_bpp=32
new_cursors=true
use_fastpath=both

[Logging]
LogFile={folder / "xrdp.log"}
LogLevel=INFO
EnableSyslog=false

[Channels]
rdpdr=true
rdpsnd=true
drdynvc=true
cliprdr=true

[Xorg]
name=Xorg
lib=libxup.so
username=ask
password=ask
ip=127.0.0.1
port=-1
code=20
"""


def sesman_ini(folder: Path, *, host: str, port: int) -> str:
    """Write the settings of the session manager: our window script, no root, one try."""
    return f"""[Globals]
ListenAddress={host}
ListenPort={port}
EnableUserWindowManager=false
UserWindowManager=startwm.sh
DefaultWindowManager={folder / "startwm.sh"}
ReconnectScript=/bin/true

[Security]
AllowRootLogin=false
MaxLoginRetry=1
TerminalServerUsers=tsusers
TerminalServerAdmins=tsadmins
AlwaysGroupCheck=false

[Sessions]
X11DisplayOffset=10
MaxSessions=10
KillDisconnected=false
DisconnectedTimeLimit=0
IdleTimeLimit=0
Policy=Default

[Logging]
LogFile={folder / "sesman.log"}
LogLevel=INFO
EnableSyslog=false

[Xorg]
param=/usr/lib/xorg/Xorg
param=-config
param=xrdp/xorg.conf
param=-noreset
param=-nolisten
param=tcp
param=-logfile
param=.xorgxrdp.%s.log

[Chansrv]
FuseMountName=thinclient_drives

[ChansrvLogging]
LogLevel=INFO
EnableSyslog=false

[SessionVariables]
"""
