"""The doctor of ``wsbench check``: one URL is tried step by step, and what fails is explained.

The way of the data: ``address`` -> ``probing`` (over ``dialing``, ``http1``, ``http2``, ``session``,
``websocket_steps``) -> observations. ``sidecars`` (over ``admin``, ``config_dump``) -> views of the Envoys on the way
-> clues (``sidecar_views``, ``log_lines``). ``findings`` holds both together, ``report`` prints them;
``examining`` is the way as a whole.
"""
