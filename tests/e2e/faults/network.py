"""Faults of the network and the index: proxy, TLS, certificates, client authentication, answers."""

from __future__ import annotations

from tests.e2e.faults.scene import (
    Fault,
    Healthy,
    also,
    at,
    file,
    identity,
    login,
    proxy,
    setting,
    url,
    variable,
)
from tests.e2e.faults.sockets import PROXY_PASSWORD

# TCP cannot reach 255.255.255.255: Linux answers ENETUNREACH, whatever the routes.
UNREACHABLE = "https://255.255.255.255/simple/"
NOWHERE = "https://index.invalid/simple/"


def first_of(certificates: bytes) -> bytes:
    """Return the first of several certificates in PEM."""
    end = b"-----END CERTIFICATE-----\n"
    return certificates.partition(end)[0] + end


CONNECTION = (
    Fault("unknown host name", "name-unknown", url(NOWHERE)),
    Fault("no route", "network-unreachable", url(UNREACHABLE)),
    Fault("no listener", "connection-refused", at("refusing")),
    Fault("packets dropped", "connection-timeout", at("full", host="127.0.0.1")),
    Fault("reset by the other side", "connection-reset", at("resets")),
    Fault("closed without a word", "connection-reset", at("hangs-up")),
    Fault("proxy that is down", "proxy-unreachable", proxy("refusing")),
    Fault(
        "unknown proxy name",
        "proxy-unreachable",
        variable("HTTPS_PROXY", "http://proxy.invalid:3128"),
    ),
    Fault("proxy wants a password", "proxy-auth-required", proxy("proxy-password")),
    Fault(
        "proxy wants another password",
        "proxy-auth-required",
        proxy("proxy-password", user="alice", password="last year's password"),
    ),
    Fault(
        "proxy of another kind",
        "proxy-unreachable",
        variable("HTTPS_PROXY", "socks5://localhost:1"),
    ),
    Fault("proxy that hangs", "proxy-unreachable", proxy("silent")),
    Fault("proxy that is none", "proxy-refused", proxy("smtp")),
    Fault("proxy forbids the host", "proxy-refused", proxy("proxy-403")),
    Fault("proxy cannot reach the host", "proxy-refused", proxy("proxy-502")),
)

TLS = (
    Fault("plain HTTP on the port", "tls-not-spoken", at("plain-http")),
    Fault("mail server on the port", "tls-not-spoken", at("smtp")),
    Fault("TLS 1.0 only", "tls-too-old", at("tls-1.0")),
    Fault("TLS 1.1 only", "tls-too-old", at("tls-1.1")),
    Fault("no cipher in common", "tls-failed", at("tls-old-ciphers")),
    # rustls, under uv, has no CBC; pip can connect.
    Fault("no cipher in common with uv", "tls-failed", at("tls-cbc")),
    Fault("name not served", "tls-failed", at("tls-rejects")),
    Fault("hangs in the handshake", "tls-timeout", at("silent")),
)

SERVER = (
    Fault("server certificate expired", "server-expired", at("server-expired")),
    Fault("server certificate not yet valid", "server-not-yet-valid", at("server-not-yet-valid")),
    Fault(
        "server certificate expires soon",
        "server-expires-soon",
        at("server-expires-soon"),
        rank="warning",
    ),
    Fault("server of another name", "server-name-mismatch", at("server-other-name")),
    Fault("server without alternative names", "server-name-mismatch", at("server-no-names")),
    Fault(
        "server of a CA with the right name",
        "server-unknown-ca",
        at("server-twin"),
        says="its key differs",
    ),
    # pip's OpenSSL requires the root (26.3, on Python 3.11 and 3.13); uv's rustls does not.
    Fault(
        "intermediate named for a CA",
        "server-unknown-ca",
        file("pki/root.pem", lambda scene: scene.world.server_issuer.pem),
        says="is no root",
    ),
    Fault(
        "intermediate named for a CA, and left out by the server",
        "server-unknown-ca",
        at("server-no-chain"),
        file("pki/root.pem", lambda scene: scene.world.server_issuer.pem),
        says="is no root",
    ),
    Fault(
        "server's own certificate named for a CA",
        "server-unknown-ca",
        file("pki/root.pem", lambda scene: first_of(scene.world.servers["good"][0])),
    ),
    Fault("server of an unknown CA", "server-unknown-ca", at("server-stranger")),
    Fault(
        "server of an unknown CA, without its intermediate",
        "server-unknown-ca",
        at("server-stranger-no-chain"),
    ),
    Fault("server signed by itself", "server-unknown-ca", at("server-self-signed")),
    Fault(
        "CA not named in the profile",
        "server-unknown-ca",
        setting("ca-cert", None),
        setting("roots", '"public"'),
    ),
    Fault("intermediate missing at the server", "server-chain-incomplete", at("server-no-chain")),
    Fault("server certificate for clients only", "tls-failed", at("server-client-usage")),
    Fault("server key too weak", "tls-failed", at("server-weak-key")),
)

CLIENT_AUTH = (
    Fault("asks for no identity", "identity-not-asked-for", at("asks-nobody"), rank="note"),
    Fault("identity of another CA", "identity-wrong-ca", at("clients-stranger")),
    Fault("identity of another CA, TLS 1.2", "identity-wrong-ca", at("clients-stranger-1.2")),
    Fault(
        "identity of another CA, by an alert",
        "identity-wrong-ca",
        identity(lambda world: world.stranger.issue("alice")),
        at("strict"),
    ),
    Fault(
        "identity of another CA, by an alert of TLS 1.2",
        "identity-wrong-ca",
        identity(lambda world: world.stranger.issue("alice")),
        at("strict-1.2"),
    ),
    Fault(
        "identity of another CA, without its intermediate",
        "identity-wrong-ca",
        identity(
            lambda world: (
                world.stranger.intermediate("Umbrella Users").issue("alice").pem(order="leaf-key")
            )
        ),
    ),
    Fault(
        "intermediate missing in the identity",
        "identity-chain-incomplete",
        identity(lambda world: world.alice.pem(order="leaf-key")),
    ),
    Fault(
        "intermediate missing in the identity, by an alert",
        "identity-chain-incomplete",
        identity(lambda world: world.alice.pem(order="leaf-key")),
        at("strict"),
    ),
    Fault(
        "intermediate missing, and the server has it",
        "identity-chain-incomplete",
        identity(lambda world: world.alice.pem(order="leaf-key")),
        at("clients-issuer-known"),
        rank="warning",
    ),
    Fault(
        "identity revoked",
        "identity-refused",
        identity(lambda world: world.revoked),
        at("clients-crl"),
    ),
    Fault(
        "identity revoked, by an alert",
        "identity-refused",
        identity(lambda world: world.revoked),
        at("strict-crl"),
    ),
    Fault(
        "identity revoked, by an alert of TLS 1.2",
        "identity-refused",
        identity(lambda world: world.revoked),
        at("strict-crl-1.2"),
    ),
    Fault("chain too long for the server", "identity-refused", at("clients-depth")),
    Fault("refused with 495", "identity-refused", at("clients-495")),
    Fault("no identity in the profile", "identity-required", setting("client-cert", None)),
    Fault(
        "no identity, by an alert",
        "identity-required",
        setting("client-cert", None),
        at("strict"),
    ),
    Fault(
        "no identity, by an alert of TLS 1.2",
        "identity-required",
        setting("client-cert", None),
        at("strict-1.2"),
    ),
    Fault(
        "no identity, answered with 496",
        "identity-required",
        setting("client-cert", None),
        at("clients-496"),
    ),
)

ANSWERS = (
    Fault("400 for another reason", "http-error", at("http-400")),
    Fault("401", "http-unauthorized", at("http-401")),
    Fault(
        "401 in spite of a password",
        "http-unauthorized",
        at("http-401"),
        login("alice", "last year's password"),
    ),
    Fault("403", "http-forbidden", at("http-403")),
    Fault("404", "http-not-found", at("http-404")),
    Fault("407 from the index", "http-error", at("http-407")),
    Fault("429", "http-error", at("http-429")),
    Fault("500", "http-error", at("http-500")),
    Fault("502", "http-error", at("http-502")),
    Fault("504", "http-error", at("http-504")),
    Fault("no answer in time", "http-timeout", at("http-hangs")),
    Fault("closed instead of an answer", "connection-reset", at("http-no-answer")),
    Fault("sign-in page", "not-an-index", at("page-sign-in")),
    Fault("JSON of something else", "not-an-index", at("page-json")),
    Fault("empty page", "not-an-index", at("page-empty")),
    Fault("text", "not-an-index", at("page-text")),
    Fault("redirect to a sign-in page", "not-an-index", at("redirect-sign-in")),
    Fault(
        "redirect to another host",
        "redirect-elsewhere",
        at("redirect-elsewhere"),
        rank="warning",
    ),
    Fault("redirect to plain HTTP", "redirect-insecure", at("redirect-insecure")),
    Fault("redirect in a circle", "http-error", at("redirect-loop")),
    Fault("clock behind the server's", "clock-skew", at("clock-ahead"), rank="warning"),
    Fault(
        "clock so far ahead that the identity seems expired",
        "clock-skew",
        identity(lambda world: world.client_issuer.issue("alice", starts=-40, days=-2)),
        at("clock-before-the-end"),
    ),
    Fault("clock ahead of the server's", "clock-skew", at("clock-behind"), rank="warning"),
)

ADDRESSES = (
    Fault("URL of plain HTTP", "url-insecure", at("plain-http", scheme="http")),
    Fault("no index named", "no-index", url(), rank="note"),
    Fault("URL without a host", "url-invalid", url("https:///simple/")),
    Fault("URL of another kind", "url-invalid", url("ftp://localhost/simple/")),
    Fault("no URL but a word", "url-invalid", url("nonsense")),
    Fault("second of two indexes down", "connection-refused", also("refusing")),
    Fault("international name", "name-unknown", url("https://münchen.invalid/simple/")),
    Fault("label too long for DNS", "url-invalid", url(f"https://{'x' * 64}.invalid/simple/")),
    Fault("port that is none", "url-invalid", url("https://localhost:simple/")),
)

NETWORK = (*CONNECTION, *TLS, *SERVER, *CLIENT_AUTH, *ANSWERS, *ADDRESSES)

# doctor must find nothing wrong with any of these.
HEALTHY_NETWORK = (
    Healthy("TLS 1.2 alone", at("healthy-tls-1.2")),
    Healthy("TLS 1.3 alone", at("healthy-tls-1.3")),
    Healthy("server with an RSA key", at("healthy-rsa")),
    Healthy("server with an Ed25519 key", at("healthy-ed25519")),
    Healthy("server with an address in a DNS name", at("healthy-address-in-names")),
    Healthy("server that sends its root too", at("healthy-with-root")),
    Healthy(
        "server signed by itself, and named for a CA",
        at("server-self-signed"),
        file("pki/root.pem", lambda scene: scene.world.servers["self-signed"][0]),
    ),
    Healthy(
        "intermediate that the server leaves out, named beside the root",
        at("server-no-chain"),
        file("pki/issuer.pem", lambda scene: scene.world.server_issuer.pem),
        setting("ca-cert", '["~/pki/root.pem", "~/pki/issuer.pem"]'),
    ),
    Healthy("server to which an identity is optional", at("healthy-optional")),
    Healthy("server that ends handshakes", at("strict")),
    Healthy("server that ends handshakes, TLS 1.2", at("strict-1.2")),
    Healthy("server with a CRL", at("clients-crl")),
    Healthy("server with a CRL that ends handshakes", at("strict-crl")),
    Healthy("server that answers 496 to others", at("clients-496")),
    Healthy("index as JSON", at("healthy-json")),
    Healthy("redirect on the same host", at("healthy-redirect")),
    Healthy("address for a name", at("healthy", host="127.0.0.1")),
    Healthy("address of version 6", at("healthy", host="[::1]")),
    Healthy("two indexes", also("healthy-json")),
    Healthy("login in the URL", login("alice", "a password of hers")),
    Healthy("open proxy", proxy("proxy")),
    Healthy(
        "proxy with its password",
        proxy("proxy-password", user="alice", password=PROXY_PASSWORD),
    ),
    Healthy(
        "proxy that is down and not for this host",
        proxy("refusing"),
        variable("NO_PROXY", "localhost"),
    ),
    Healthy(
        "issuer known to the server, and sent",
        at("clients-issuer-known"),
    ),
    Healthy(
        "public roots beside the CA",
        setting("roots", '"public"'),
    ),
    Healthy(
        "several CAs, one of them in DER",
        file("pki/stranger.der", lambda scene: scene.world.stranger.der),
        setting("ca-cert", '["~/pki/stranger.der", "~/pki/root.pem"]'),
    ),
)
