"""The errors of the bench: one small tree, each with the exit code that the command ends with.

Every message is one line that names the offending value and what to do next; the CLI prints it and nothing else.
"""

from __future__ import annotations


class WsbenchError(Exception):
    """Base of everything wsbench raises on purpose."""

    exit_code = 3


class UsageError(WsbenchError):
    """What was asked for cannot be done as asked: a wrong option, path or file. Nothing has been measured."""

    exit_code = 2


class LabError(WsbenchError):
    """A part of the lab (echo server, Envoy, driver) did not start, or died."""


class LabDownError(LabError):
    """A part that every arm needs has died: nothing more can be measured. What was measured before stands."""


class TargetError(WsbenchError):
    """A target cannot be measured: dead, not a WebSocket server, or refusing."""


class ResultError(WsbenchError):
    """A result could not be written, or a result file is not what it should be."""
