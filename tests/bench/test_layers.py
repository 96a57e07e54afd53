"""Who may import whom: the house's rule (DESIGN.md), held by the imports as written."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {"wsbench": "bench", "wsbench_client": "client", "wsbench_server": "server"}
ALLOWED = {
    "wsbench": {"wsbench", "wsbench_client", "wsbench_server"},
    "wsbench_client": {"wsbench_client"},
    "wsbench_server": {"wsbench_server"},
}
PURE = [
    "access_log",
    "arms",
    "capacity",
    "cautions",
    "cluster_stats",
    "comparing",
    "document",
    "envoy_config",
    "cluster_config",
    "tls_config",
    "mesh_policy",
    "lab_guide",
    "log_summary",
    "witnesses",
    "hlog",
    "mesh_proof",
    "plan",
    "proof",
    "limits",
    "locust_document",
    "locust_fleet",
    "results",
    "statistics",
    "trial",
    "upgrading",
    "calibration",
    "saturation",
    "saturation_document",
    "search",
    "report",
    "check/address",
    "check/config_dump",
    "check/explanations",
    "check/findings",
    "check/log_lines",
    "check/observation",
    "check/remedies",
    "check/report",
    "check/sidecar_views",
]
IO = {"asyncio", "anyio", "subprocess", "socket", "urllib.request", "psutil", "threading"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / SOURCES[package] / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("package", SOURCES)
def test_packages_import_only_whom_they_may(package: str) -> None:
    assert modules(package)
    for path in modules(package):
        ours = {name.partition(".")[0] for name in imported(path)} & set(SOURCES)
        assert ours <= ALLOWED[package], path


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_do_no_io(name: str) -> None:
    place = ROOT / "bench" / "wsbench" / name
    paths = sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    assert paths
    for path in paths:
        assert not imported(path) & IO, path


@pytest.mark.parametrize("package", SOURCES)
def test_locust_stays_outside(package: str) -> None:
    for path in modules(package):
        roots = {name.partition(".")[0] for name in imported(path)}
        assert not roots & {"locust", "gevent"} or "locust" in path.name, path


@pytest.mark.parametrize("package", SOURCES)
def test_uvloop_is_chosen_only_at_entry_points(package: str) -> None:
    entries = {"cli.py", "interruption.py", "worker.py", "supervisor.py"}
    for path in modules(package):
        assert "uvloop" not in imported(path) or path.name in entries, path
