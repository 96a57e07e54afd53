"""A pod of Istio's shape on this machine: namespaces of its own, in which the driver's sidecar has Istio's ports, and
the names of three services resolve as in a cluster.

``run_in_pod`` starts it and has commands run within; run as a program it is what happens inside.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from tests.bench import samples
from wsbench.echo_server import running_echo_server
from wsbench.envoy import EnvoyBinary, running_sidecar
from wsbench.envoy_config import OUTBOUND_CLUSTER, Hop, SidecarSettings, client_sidecar, server_sidecar
from wsbench.mesh_proof import SHOW_COUNTERS

ROOT = Path(__file__).parents[2]
# Of network, mounts and processes: whatever happens to the pod's first process, the others end with it.
UNSHARE = ("unshare", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
SERVICES = {"websockets-server": "http2", "websockets-http1": "http1", "websockets-http2": "http2"}
DOMAIN = "wsbench.svc.cluster.local"
ADMIN_PORT, PROMETHEUS_PORT, SERVICE_PORT = 15000, 15090, 8080
# What Istio has its sidecars tell if no annotation asks for more (pkg/bootstrap/config.go), as far as it matters here.
TOLD_ALWAYS: list[dict[str, Any]] = [
    {"prefix": "server"},
    {"prefix": "cluster_manager"},
    {"prefix": "listener_manager"},
]
TYPES = "type.googleapis.com/envoy.extensions.filters"


@dataclass(frozen=True)
class Command:
    """Words for ``wsbench``; the driver's sidecar is killed when the command says so on standard error."""

    words: list[str]
    kill_sidecar_at: str | None = None


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class PodPlan:
    """``annotated``: the sidecar tells its counters; ``header``: the server's sidecar says what the hop spoke."""

    commands: list[Command] = field(default_factory=list)
    annotated: bool = True
    header: bool = True


def missing() -> str | None:
    """Why there can be no pod here; None where there can."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "no unshare or no ip on PATH: no pod was made"
    done = subprocess.run([*UNSHARE, "true"], capture_output=True, check=False)
    return None if done.returncode == 0 else "no user namespaces here: no pod was made"


def run_in_pod(plan: PodPlan, timeout_s: float = 120) -> list[Done]:
    """Make a pod, run the commands in it one after the other, end it."""
    done = subprocess.run(
        [*UNSHARE, sys.executable, "-m", "tests.bench.pod", json.dumps(asdict(plan))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Done(**one) for one in json.loads(done.stdout)]


# -- inside


def istio_shaped(upstream_port: int, folder: Path, *, annotated: bool) -> dict[str, Any]:
    """The driver's sidecar: a virtual host and a cluster for each service, statistics named and shown as Istio does."""
    settings = SidecarSettings(str(folder / "client.access.log"), upstream_port)
    config = client_sidecar(settings, Hop(samples.policy("http1")))
    clusters, hosts = [], []
    for service, overlay in SERVICES.items():
        name = OUTBOUND_CLUSTER.replace("websockets-server", service)
        (cluster,) = client_sidecar(settings, Hop(samples.policy(overlay)))["static_resources"]["clusters"]
        cluster["load_assignment"]["cluster_name"] = name
        clusters.append({**cluster, "name": name, "alt_stat_name": f"{name};"})
        domains = [f"{host}:{SERVICE_PORT}" for host in (service, f"{service}.{DOMAIN}")]
        route = {"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}
        hosts.append({"name": name, "domains": domains, "routes": [route]})
    (listener,) = config["static_resources"]["listeners"]
    listener["address"]["socket_address"]["port_value"] = SERVICE_PORT
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["route_config"]["virtual_hosts"] = hosts
    admin = {"socket_address": {"address": "127.0.0.1", "port_value": ADMIN_PORT}}
    endpoint = {"lb_endpoints": [{"endpoint": {"address": admin}}]}
    clusters.append(
        {
            "name": "prometheus_stats",
            "alt_stat_name": "prometheus_stats;",
            "type": "STATIC",
            "load_assignment": {"cluster_name": "prometheus_stats", "endpoints": [endpoint]},
        }
    )
    told = list(TOLD_ALWAYS)
    if annotated:
        told.append({"safe_regex": {"regex": SHOW_COUNTERS.split("'")[1]}})
    return {
        **config,
        "node": {**config["node"], "metadata": {"NAMESPACE": "wsbench"}},
        "admin": {"address": admin},
        "static_resources": {"listeners": [listener, _prometheus_listener(manager)], "clusters": clusters},
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
        # As in Istio's bootstrap (tools/packaging/common/envoy_bootstrap.json).
        "stats_config": {
            "use_all_default_tags": False,
            "stats_tags": [
                {"tag_name": "cluster_name", "regex": r"^cluster(\.(.+);)"},
                {"tag_name": "response_code", "regex": r"_rq(_(\d{3}))$"},
                {"tag_name": "response_code_class", "regex": r"_rq(_(\dxx))$"},
            ],
            "stats_matcher": {"inclusion_list": {"patterns": told}},
        },
    }


def _prometheus_listener(manager: dict[str, Any]) -> dict[str, Any]:
    route = {"match": {"prefix": "/stats/prometheus"}, "route": {"cluster": "prometheus_stats"}}
    stats = {
        "@type": f"{TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "stats",
        "http_filters": manager["http_filters"],
        "route_config": {"virtual_hosts": [{"name": "backend", "domains": ["*"], "routes": [route]}]},
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": stats}]
    return {
        "name": "prometheus",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": PROMETHEUS_PORT}},
        "filter_chains": [{"filters": filters}],
    }


def _without_header(config: dict[str, Any]) -> dict[str, Any]:
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    # The base's own, and what k8s/mesh/witness-header.yaml adds.
    manager["route_config"].pop("request_headers_to_add", None)
    for host in manager["route_config"]["virtual_hosts"]:
        host["request_headers_to_add"] = []
    return config


def _settle(folder: Path) -> None:
    """Loopback up; names resolve to it, short ones are completed as in a pod of the namespace wsbench."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for name, text in (
        ("hosts", f"127.0.0.1 localhost {' '.join(SERVICES)}\n"),
        ("resolv.conf", f"search {DOMAIN} svc.cluster.local cluster.local\nnameserver 127.0.0.1\n"),
    ):
        (folder / name).write_text(text)
        subprocess.run(["mount", "--bind", str(folder / name), f"/etc/{name}"], check=True)


def _carried_out(command: Command, kill: Any) -> Done:
    argv = [sys.executable, "-m", "wsbench", *command.words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as bench:
        assert bench.stderr is not None
        said = []
        if command.kill_sidecar_at is not None:
            for line in bench.stderr:
                said.append(line)
                if line.startswith(command.kill_sidecar_at):
                    kill()
                    break
        out, err = bench.communicate(timeout=60)
        return Done(bench.returncode, out, "".join(said) + err)


async def _inside(plan: PodPlan, folder: Path) -> list[Done]:
    _settle(folder)
    envoy = EnvoyBinary.find()
    found = []
    async with running_echo_server(folder / "server.log", engine="picows") as echo:
        settings = SidecarSettings(str(folder / "server.access.log"), echo.port)
        server = server_sidecar(settings, Hop(samples.policy("http2")))
        if not plan.header:
            server = _without_header(server)
        async with running_sidecar(envoy, "server's sidecar", server, folder, "server", 1) as inner:
            config = istio_shaped(inner.port, folder, annotated=plan.annotated)
            async with running_sidecar(envoy, "driver's sidecar", config, folder, "client", 1) as outer:
                for command in plan.commands:
                    found.append(await anyio.to_thread.run_sync(_carried_out, command, outer.child.process.kill))
    return found


def main() -> None:
    asked = json.loads(sys.argv[1])
    commands = [Command(**one) for one in asked.pop("commands")]
    with tempfile.TemporaryDirectory(prefix="wsbench-pod-") as folder:
        found = anyio.run(_inside, PodPlan(commands, **asked), Path(folder))
    sys.stdout.write(json.dumps([asdict(one) for one in found]))


if __name__ == "__main__":
    main()
