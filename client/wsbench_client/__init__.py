"""The load driver of wsbench: WebSocket connections, pacing, recording.

As a library: ``await drive(DrivePlan(url="ws://127.0.0.1:8080/"))`` returns a ``Recording``. It imports
neither the bench nor the server.
"""

from wsbench_client.driver import drive
from wsbench_client.mix import PayloadMix
from wsbench_client.pattern import Pattern, PatternKind
from wsbench_client.plan import DrivePlan, EngineName, PayloadKind
from wsbench_client.recording import ErrorKind, Phase, Progress, Recording

__all__ = [
    "DrivePlan",
    "EngineName",
    "ErrorKind",
    "Pattern",
    "PatternKind",
    "PayloadKind",
    "PayloadMix",
    "Phase",
    "Progress",
    "Recording",
    "drive",
]
