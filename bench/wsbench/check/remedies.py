"""What to do about it: the remedies, each said once however many steps it would mend."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ALLOW_CONNECT_FILE = "allow-connect.yaml"
DESTINATION_RULE_FILE = "destination-rule.yaml"


class Remedy(StrEnum):
    """By name; ``wording`` says what each is."""

    ALLOW_CONNECT = "allow-connect"
    DO_NOT_UPGRADE = "do-not-upgrade"
    UPGRADE_CONFIGS = "upgrade-configs"
    SEND_KEY = "send-key"
    RFC8441 = "rfc8441"
    USE_TLS = "use-tls"
    USE_PLAIN = "use-plain"
    CERTIFICATE = "certificate"
    CLIENT_CERTIFICATE = "client-certificate"
    START_SERVER = "start-server"
    NETWORK = "network"
    NAME = "name"
    HUNG_SERVER = "hung-server"
    PROXY_HEADERS = "proxy-headers"
    PATH = "path"
    FOLLOW = "follow"
    CREDENTIALS = "credentials"
    POLICY = "policy"
    UPSTREAM = "upstream"
    CIRCUIT_BREAKER = "circuit-breaker"
    HTTP1 = "http1"
    HTTP2 = "http2"
    STREAMS = "streams"
    IDLE = "idle"
    NOT_WEBSOCKET = "not-websocket"
    FRAMES = "frames"


@dataclass(frozen=True, slots=True)
class Advice:
    """A remedy in words. ``manifest`` names the shipped file to apply, in the overlay ``overlay``."""

    text: str
    overlay: str | None = None
    manifest: str | None = None


ADVICE = {
    Remedy.ALLOW_CONNECT: Advice(
        "Have the Envoy beside the server allow extended CONNECT (RFC 8441): apply this EnvoyFilter in the namespace "
        "of the server's pods, with their labels in workloadSelector. (A client's sidecar, to which applications speak "
        "HTTP/1.1, needs it not.)",
        "http2",
        ALLOW_CONNECT_FILE,
    ),
    Remedy.DO_NOT_UPGRADE: Advice(
        "Or keep the hop on HTTP/1.1: h2UpgradePolicy: DO_NOT_UPGRADE in the DestinationRule of the server's "
        "host, as here.",
        "http1",
        DESTINATION_RULE_FILE,
    ),
    Remedy.UPGRADE_CONFIGS: Advice(
        "Have this Envoy take WebSocket upgrades: upgrade_configs: [{upgrade_type: websocket}] on its HTTP "
        "connection manager or on the route. Istio sets it wherever a port is HTTP: name the Service's port "
        "http-..., or set appProtocol: http.",
    ),
    Remedy.SEND_KEY: Advice(
        "Nothing to do in a mesh: a client's sidecar passes its client's Sec-WebSocket-Key on. Only a client "
        "that speaks HTTP/2 to this port itself (a browser, through a gateway) leaves the key out, as RFC "
        "8441 section 5 says, and is refused: Envoy adds none for an HTTP/1.1 server (envoy issue 8547).",
    ),
    Remedy.RFC8441: Advice(
        "Only if WebSockets are to be streams of HTTP/2 here: have the server announce "
        "SETTINGS_ENABLE_CONNECT_PROTOCOL. Envoy: http2_protocol_options.allow_connect. HAProxy: on unless "
        "h2-workaround-bogus-websocket-clients is set. A server that does not know RFC 8441 needs a proxy "
        "before it that does.",
    ),
    Remedy.USE_TLS: Advice(
        "The port wants TLS: {other_scheme}. In a mesh it may want mutual TLS (PeerAuthentication STRICT): "
        "call the Service from a pod with a sidecar, in plain.",
    ),
    Remedy.USE_PLAIN: Advice(
        "The port speaks no TLS: {other_scheme}",
    ),
    Remedy.CERTIFICATE: Advice(
        "Use the name that the certificate is for, or name its authority with --ca FILE; --insecure goes on "
        "without verifying, and says what it would have refused.",
    ),
    Remedy.CLIENT_CERTIFICATE: Advice(
        "The server ended the TLS handshake. Where it asks for a client certificate (mutual TLS in a mesh), "
        "call it from a pod with a sidecar, in plain.",
    ),
    Remedy.START_SERVER: Advice(
        "Nothing listens there: start the server, or correct host and port. In a cluster: kubectl get endpointslices.",
    ),
    Remedy.NETWORK: Advice(
        "The address does not answer: look at routes, firewalls and NetworkPolicies between here and there.",
    ),
    Remedy.NAME: Advice(
        "Correct the host's name; in a cluster: NAME.NAMESPACE.svc.cluster.local, from within it.",
    ),
    Remedy.HUNG_SERVER: Advice(
        "TCP is accepted, HTTP is not answered: the process hangs or speaks another protocol, or a proxy "
        "holds the connection. Look at the server's log; --timeout gives it longer.",
    ),
    Remedy.PROXY_HEADERS: Advice(
        "A proxy on the way takes the headers Upgrade and Connection away. nginx: proxy_http_version 1.1; "
        'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";',
    ),
    Remedy.PATH: Advice(
        "Correct the path, or add the route for it.",
    ),
    Remedy.FOLLOW: Advice(
        "WebSocket clients seldom follow redirects: use the address it names.",
    ),
    Remedy.CREDENTIALS: Advice(
        "The server wants to know who calls. wsbench check sends no credentials: check a path that needs none.",
    ),
    Remedy.POLICY: Advice(
        "Something refuses by policy: an AuthorizationPolicy (its log says rbac_access_denied), an Origin "
        "that is not allowed, or an Envoy whose upgrade_configs has no websocket (its log says "
        "upgrade_failed).",
    ),
    Remedy.UPSTREAM: Advice(
        "The proxy works, what is behind it does not: look whether the server's pods are ready, listen on the"
        " Service's targetPort, and speak what the proxy speaks to them. --admin URL and --access-log FILE of"
        " that proxy tell more.",
    ),
    Remedy.CIRCUIT_BREAKER: Advice(
        "A circuit breaker is full: raise connectionPool (maxConnections, http2MaxRequests) in the "
        "DestinationRule. A WebSocket holds its place for as long as it is open.",
    ),
    Remedy.HTTP1: Advice(
        "Only if clients are to speak HTTP/1.1 here: have the port take both. Envoy: codec_type AUTO; "
        "HAProxy: bind without proto h2; nginx before 1.25.1: listen without http2 (with TLS, ALPN chooses)."
    ),
    Remedy.HTTP2: Advice(
        "Only if WebSockets are to be streams of HTTP/2 here: have the server speak it, in the clear (prior "
        "knowledge) or by ALPN h2 with TLS.",
    ),
    Remedy.STREAMS: Advice(
        "Not every stream of one connection upgrades (compare envoy issue 38645): keep this hop on HTTP/1.1, "
        "and look at the access log for what the refused streams were answered.",
    ),
    Remedy.IDLE: Advice(
        "Something ends what is idle. Raise it, or ping more often. Envoy: stream_idle_timeout (5 min unless "
        "set; Istio sets 0), idleTimeout of the DestinationRule; nginx: proxy_read_timeout (60 s); HAProxy: "
        "timeout tunnel; a cloud's load balancer has one of its own.",
    ),
    Remedy.NOT_WEBSOCKET: Advice(
        "What answers is no WebSocket server, or not at this path; or a proxy on the way does not pass upgrades on.",
    ),
    Remedy.FRAMES: Advice(
        "The handshake went well, the frames after it do not arrive: look for a proxy that takes the upgraded"
        " connection for HTTP, or buffers it.",
    ),
}
