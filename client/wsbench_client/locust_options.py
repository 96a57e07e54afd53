"""The options of wsbench's own Locust users, beside Locust's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust import events

from wsbench_client.plan import PayloadKind

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser


def add_user_options(parser: LocustArgumentParser) -> None:
    """What is sent, and how fast. Values are plain: Locust sends the master's to its workers."""
    group = parser.add_argument_group("wsbench: the load of EchoUser and DriverUser")
    group.add_argument("--payload", type=int, default=64, metavar="BYTES", help="of a message (default: 64)")
    group.add_argument(
        "--payload-kind", choices=[kind.value for kind in PayloadKind], default="binary", help="(default: binary)"
    )
    group.add_argument(
        "--user-rate",
        type=float,
        metavar="N",
        help="messages a second of each user; a DriverUser's are due at that rate, the open loop (default: the next "
        "leaves when the echo is read)",
    )
    group.add_argument(
        "--driver-connections", type=int, default=64, metavar="N", help="WebSockets of each DriverUser (default: 64)"
    )


# Whoever imports this has them; a module is imported once, a locustfile is not.
events.init_command_line_parser.add_listener(add_user_options)
