"""Remote desktop to virtual machines (specification V2). Declares the scenario; the gateway does the work."""

from typing import Final

from openlockbox.connectors.api import Scenario
from openlockbox.domain.elevation import Permission
from openlockbox.domain.text import N_

REMOTE_DESKTOP: Final = Scenario(
    name="remote_desktop",
    label=N_("Remote desktop"),
    protocol="rdp",
    resource_types=frozenset({"microsoft.compute/virtualmachines"}),
    permissions=(
        (Permission.OPERATE, N_("An ordinary account: can use the machine, cannot change how it is set up.")),
        (Permission.ADMINISTRATOR, N_("Can read and change everything on this machine. Nothing beyond it.")),
    ),
    channels=(
        ("clipboard", N_("Clipboard")),
        ("drives", N_("Drives and file transfer")),
        ("sound", N_("Sound")),
    ),
    touches_customer_data=True,
)
