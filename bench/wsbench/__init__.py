"""wsbench: should the WebSockets in my mesh be tunnelled over HTTP/2?

The experiment: the command line, the lab of Envoys, the witnesses, statistics and reports. The load comes from
``wsbench_client``, the echoes from ``wsbench_server``.
"""

from importlib.metadata import version

__version__ = version("wsbench")
