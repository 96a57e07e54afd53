"""The commands of the command line that have enough words of their own for a room: options, output, exit code."""
