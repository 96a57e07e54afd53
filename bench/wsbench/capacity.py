"""What so many connections need of the machine, and what is said where it does not allow them.

Pure. Two things run out: the open files of a process (RLIMIT_NOFILE, getrlimit(2)) and local ports
(``net.ipv4.ip_local_port_range``, ip(7)), of which a source address has one range for each address and port it
connects to. The driver connects to loopback from as many addresses as it takes, for all of 127.0.0.0/8 is this machine
(RFC 1122 section 3.2.1.3). A sidecar, like Istio's, connects from one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING

from wsbench.arms import HopProtocol
from wsbench.errors import UsageError
from wsbench_client.plan import endpoint

if TYPE_CHECKING:
    from wsbench.plan import RunPlan

# Listeners, logs, libraries, an Envoy's threads, the connections of a shared hop (one for 1,024 WebSockets).
_SPARE_FILES = 256
# Those that other programs, listeners and the trial before hold on to.
_SPARE_PORTS = 1000
# Of a source address' ports, those that are used before another address is. The kernel tries one after the other, the
# even half first (inet_hash_connect): in a nearly full range that is thousands of looks for every connect().
_SHARE_OF_PORTS = 0.5
_FIRST_SOURCE = IPv4Address("127.0.0.1")


@dataclass(frozen=True, slots=True)
class PortRange:
    """The local ports that the kernel gives to connections, ``first`` and ``last`` included."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return f"{self.first} {self.last}"


def files_needed(plan: RunPlan) -> int:
    """Open files that the process with the most of them needs.

    A sidecar has two for each connection where the hop is HTTP/1.1, one where connections share the hop's.
    """
    return _files_each(plan) * plan.connections + _SPARE_FILES


def files_words(plan: RunPlan, hard: int, ceiling: int) -> str:
    """What to say where the hard limit of open files is too low and may not be raised; ``ceiling`` is fs.nr_open."""
    needed, each = files_needed(plan), _files_each(plan)
    who = "a sidecar whose hop is HTTP/1.1" if each > 1 else "one process"
    remedy = f"raise it as root (ulimit -Hn {needed}; of a container, --ulimit nofile={needed}:{needed})"
    if needed > ceiling:
        remedy = f"first raise the kernel's own bound (sysctl -w fs.nr_open={needed}, now {ceiling}), then it"
    most = (hard - _SPARE_FILES) // each
    at_most = f", or give {most} connections at most" if most > 0 else ""
    return (
        f"--connections {plan.connections} takes {needed} open files in {who}, and the hard limit (RLIMIT_NOFILE) of "
        f"{hard} may not be raised from here: {remedy}{at_most}"
    )


def check_ports(plan: RunPlan, ports: PortRange) -> None:
    """Raise UsageError where local ports would run out on a way that has one source address only."""
    if plan.connections <= max(len(ports) - _SPARE_PORTS, 1):
        return
    if any(arm.has_sidecars for arm in plan.arms):
        raise UsageError(_ports_words(plan, ports, "a sidecar connects to the next one, and to the echo server,"))
    for target in plan.targets:
        if not _is_loopback(endpoint(target.url).host):
            raise UsageError(_ports_words(plan, ports, f"the driver connects to target {target.name!r}"))


def sources(host: str, connections: int, ports: PortRange) -> tuple[str, ...]:
    """The addresses to connect to ``host`` from, in turn: empty where the kernel's own choice does.

    Only an IPv4 loopback address has more than one.
    """
    needed = math.ceil(connections / max(len(ports) * _SHARE_OF_PORTS, 1))
    if needed < 2 or not _is_loopback(host):
        return ()
    return tuple(str(_FIRST_SOURCE + place) for place in range(needed))


def _files_each(plan: RunPlan) -> int:
    shared = all(not arm.has_sidecars or arm.claim.hop_protocol is not HopProtocol.HTTP1 for arm in plan.arms)
    return 1 if shared else 2


def _ports_words(plan: RunPlan, ports: PortRange, who: str) -> str:
    return (
        f"--connections {plan.connections}: {who} from one address, which has {len(ports)} local ports "
        f"(net.ipv4.ip_local_port_range = {ports}): widen it (sysctl -w net.ipv4.ip_local_port_range='1024 65535'), "
        f"or give {max(len(ports) - _SPARE_PORTS, 1)} connections at most"
    )


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return isinstance(address, IPv4Address) and address.is_loopback
