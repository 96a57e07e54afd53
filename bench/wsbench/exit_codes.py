"""What the command ends with, beside what ``errors`` and signals say."""

EXIT_OK = 0
EXIT_FAILED = 3
"""Measured, but not as it should be: a claim disproved, an arm failed, a study that does not hold."""
EXIT_CONDITION = 4
"""A condition that was set on a comparison fails."""
