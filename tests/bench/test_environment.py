import os
import platform

from wsbench.environment import capture


def test_what_can_be_known_is_captured() -> None:
    found = capture("1.40.0")
    assert found["envoy"] == "1.40.0"
    assert found["python"] == platform.python_version()
    assert found["cpu_count"] == os.cpu_count()
    assert found["cpu_model"]
    assert found["memory_mib"] > 100
    assert {"websockets", "picows", "uvloop", "hdrhistogram"} <= found["libraries"].keys()
