"""doctor's conclusions, rule by rule, without a network."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mtls_run.doctor.conclusions import conclude
from mtls_run.doctor.findings import finding
from mtls_run.doctor.indexes import Index
from mtls_run.doctor.transcript import Answer, Attempt, LocalFacts, Transcript
from mtls_run.net.certificates import of_name
from mtls_run.net.errors import Kind, NetworkError, Step
from mtls_run.net.tls import Handshake, Problem
from tests.pki import Authority, Issued

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from mtls_run.doctor.findings import Finding
    from mtls_run.net.certificates import DistinguishedName

INDEX = Index("https://index.example/simple/", "the test", "index.example")
NOW = dt.datetime.now(dt.timezone.utc)
SERVERS, CLIENTS, OTHERS = map(Authority.create, ("Acme Root", "Beta Root", "Gamma Root"))
ISSUER = CLIENTS.intermediate("Beta Issuing CA")
FINE = Answer(200, "text/html", "PEP 503 HTML")
REFUSED = Answer(400, "text/html", None, "<title>400 The SSL certificate error</title>")
NONE_SENT = Answer(
    400, "text/html", None, "<title>400 No required SSL certificate was sent</title>"
)


@functools.cache
def alice() -> Issued:
    """Return the identity of these tests."""
    return ISSUER.issue("alice")


@functools.cache
def server() -> Certificate:
    """Return the certificate that the server presents."""
    hosts = ("index.example",)
    return SERVERS.issue("index.example", server=True, hosts=hosts).certificate


def named(*authorities: Authority) -> tuple[DistinguishedName, ...]:
    """Return the names of these authorities."""
    return tuple(of_name(one.certificate.subject) for one in authorities)


def known(*identity: Certificate) -> LocalFacts:
    """Return the facts of a machine with this identity."""
    return LocalFacts(
        now=NOW,
        profile="profile corp",
        leaf=identity[0] if identity else None,
        identity=identity,
        identity_label="the certificate in alice.pem",
        roots=named(SERVERS),
        roots_label="none + root.pem",
    )


def whole() -> LocalFacts:
    """Return the facts of a machine with the whole identity."""
    return known(alice().certificate, *alice().chain)


def shaken(
    *accepted: Authority, asked: bool = True, alert: int | None = None, finished: bool = True
) -> Handshake:
    """Return a handshake with a trusted server that accepts identities from these CAs."""
    error = None if finished else NetworkError("tls", "alert", "words", alert)
    return Handshake(
        finished,
        "TLSv1.3",
        "a cipher",
        asked,
        named(*accepted),
        (server(),),
        (server(), SERVERS.certificate),
        None,
        name_matches=True,
        error=error,
    )


def observed(
    with_identity: Answer | NetworkError,
    *accepted: Authority,
    without: Answer | None = None,
    asked: bool = True,
) -> Transcript:
    """Return the transcript of a server that answered or ended an attempt with the identity."""
    shake = shaken(*accepted, asked=asked)
    if isinstance(with_identity, NetworkError):
        second = Attempt(shake, later_error=with_identity)
    else:
        second = Attempt(shake, with_identity)
    first = Attempt(shake, without or (NONE_SENT if asked else FINE))
    return Transcript(INDEX, ("127.0.0.1",), "127.0.0.1", anonymous=first, identified=second)


def top(seen: Transcript, what: LocalFacts, *local: Finding) -> Finding | None:
    """Return the last finding, which is the most important."""
    found = conclude(local, what, (seen,))
    return found[-1] if found else None


def code(seen: Transcript, what: LocalFacts) -> str | None:
    """Return the top finding's code."""
    found = top(seen, what)
    return found.code if found else None


def test_healthy() -> None:
    """An index that accepts the identity and answers gives no finding."""
    assert top(observed(FINE, CLIENTS), whole()) is None


@pytest.mark.parametrize(
    ("step", "kind", "expected"),
    [
        ("name", "unknown", "name-unknown"),
        ("name", "timeout", "name-unknown"),
        ("connect", "refused", "connection-refused"),
        ("connect", "timeout", "connection-timeout"),
        ("connect", "reset", "connection-reset"),
        ("connect", "failed", "network-unreachable"),
        ("proxy", "unknown", "proxy-unreachable"),
        ("proxy", "refused", "proxy-unreachable"),
        ("proxy", "timeout", "proxy-unreachable"),
        ("proxy", "plain", "proxy-refused"),
        ("proxy", "closed", "proxy-refused"),
        ("proxy", "unsupported", "proxy-not-probed"),
    ],
)
def test_way(step: Step, kind: Kind, expected: str) -> None:
    """An error before TLS gives a finding by its step and kind, with the URL and an action."""
    seen = Transcript(INDEX, proxy="http://proxy:3128", proxy_origin="HTTPS_PROXY")
    found = top(replace(seen, error=NetworkError(step, kind)), whole())
    assert found is not None
    assert (found.code, found.origin) == (expected, "the test")
    assert found.action


@pytest.mark.parametrize(
    ("number", "expected"),
    [(407, "proxy-auth-required"), (403, "proxy-refused"), (502, "proxy-refused")],
)
def test_answer_of_a_proxy(number: int, expected: str) -> None:
    """A proxy's 407 means a missing password; any other answer means a refused connection."""
    seen = Transcript(INDEX, proxy="http://proxy:3128", proxy_origin="HTTPS_PROXY")
    assert (
        code(replace(seen, error=NetworkError("proxy", "status", "no", number)), whole())
        == expected
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NetworkError("tls", "plain", "HTTP/1.1 400 Bad Request"), "tls-not-spoken"),
        (NetworkError("tls", "plain", "220 mail.example"), "tls-not-spoken"),
        (NetworkError("tls", "alert", "", 70), "tls-too-old"),
        (NetworkError("tls", "protocol"), "tls-too-old"),
        (NetworkError("tls", "timeout"), "tls-timeout"),
        (NetworkError("tls", "reset"), "connection-reset"),
        (NetworkError("tls", "closed"), "connection-reset"),
        (NetworkError("tls", "alert", "", 40), "tls-failed"),
        (NetworkError("tls", "failed", "no shared cipher"), "tls-failed"),
    ],
)
def test_handshake(error: NetworkError, expected: str) -> None:
    """A handshake that ends before the server's certificate gives a finding about its TLS."""
    attempt = Attempt(Handshake(finished=False, error=error))
    assert code(Transcript(INDEX, anonymous=attempt), whole()) == expected


def of_certificate(number: int, *presented: Certificate, fits: bool = True) -> Transcript:
    """Return the transcript of a server whose certificate OpenSSL rejects."""
    problem = Problem(number, 0, presented[0]) if number else None
    shake = Handshake(
        finished=True, presented=presented, problem=problem, name_matches=fits, protocol="TLSv1.3"
    )
    return Transcript(INDEX, anonymous=Attempt(shake))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (10, "server-expired"),
        (9, "server-not-yet-valid"),
        (18, "server-unknown-ca"),
        (26, "tls-failed"),
        (66, "tls-failed"),
        (999, "tls-failed"),
    ],
)
def test_objection(number: int, expected: str) -> None:
    """OpenSSL's error number decides the finding."""
    assert code(of_certificate(number, server()), whole()) == expected


def test_name() -> None:
    """A certificate for another name gives a finding with its own names."""
    found = top(of_certificate(0, server(), fits=False), whole())
    assert found is not None
    assert found.code == "server-name-mismatch"
    assert "index.example" in found.fact


def test_unknown_ca_and_missing_intermediate() -> None:
    """An issuer related to a root here, but no root itself, is a missing intermediate."""
    below = SERVERS.intermediate("Acme Issuing CA").issue("index.example", server=True)
    assert code(of_certificate(20, below.certificate), whole()) == "server-chain-incomplete"
    strange = OTHERS.issue("index.example", server=True)
    assert code(of_certificate(20, strange.certificate), whole()) == "server-unknown-ca"
    sent = OTHERS.intermediate("Gamma Issuing CA").issue("index.example", server=True)
    assert code(of_certificate(20, sent.certificate, *sent.chain), whole()) == "server-unknown-ca"


def test_root_of_the_same_name() -> None:
    """A CA with the name of a root here, but another key, is recognised."""
    imposter = Authority.create("Acme Root").issue("index.example", server=True)
    found = top(of_certificate(20, imposter.certificate), whole())
    assert found is not None
    assert found.code == "server-unknown-ca"
    assert "its key differs" in found.fact


def test_intermediate_for_a_root() -> None:
    """An intermediate among the roots is reported as no root: pip requires the one above it."""
    issuer = SERVERS.intermediate("Acme Issuing CA")
    leaf = issuer.issue("index.example", server=True)
    here = replace(whole(), roots=named(issuer))
    found = top(of_certificate(2, leaf.certificate, *leaf.chain), here)
    assert found is not None
    assert found.code == "server-unknown-ca"
    assert "is no root" in found.fact


def test_server_expires_soon() -> None:
    """A server's certificate that expires within a week gives a warning."""
    soon = SERVERS.issue("index.example", server=True, days=3).certificate
    found = top(of_certificate(0, soon), whole())
    assert found is not None
    assert (found.code, found.rank) == ("server-expires-soon", "warning")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(204, ""), "not-an-index"),
        (Answer(200, "text/html"), "not-an-index"),
        (Answer(302, location="https://index.example/simple/"), "http-error"),
        (Answer(302, location="https://other.example/simple/"), "redirect-elsewhere"),
        (Answer(302, location="https://index.example:444/simple/"), "redirect-elsewhere"),
        (Answer(302, location="http://index.example/simple/"), "redirect-insecure"),
        (Answer(304), "http-error"),
        (Answer(400, text="no such thing"), "http-error"),
        (Answer(401), "http-unauthorized"),
        (Answer(403), "http-forbidden"),
        (Answer(404), "http-not-found"),
        (Answer(429), "http-error"),
        (Answer(500), "http-error"),
        (REFUSED, "identity-refused"),
        (Answer(495), "identity-refused"),
    ],
)
def test_answer(answer: Answer, expected: str) -> None:
    """Status, page and redirect decide the finding about an answer."""
    assert code(observed(answer, CLIENTS), whole()) == expected


@pytest.mark.parametrize(
    ("index", "status", "expected"),
    [
        (replace(INDEX, asked_by=("twine",), receives=True), 404, None),
        (replace(INDEX, asked_by=("twine",), receives=True), 401, None),
        (replace(INDEX, asked_by=("twine",), receives=True), 403, "http-forbidden"),
        (replace(INDEX, asked_by=("poetry",)), 401, None),
        (replace(INDEX, asked_by=("poetry",)), 404, "http-not-found"),
        (replace(INDEX, asked_by=("poetry", "uv")), 401, "http-unauthorized"),
    ],
)
def test_answer_to_another_tool(index: Index, status: int, expected: str | None) -> None:
    """A repository has no page to show, and other tools have passwords that doctor cannot see."""
    seen = replace(observed(Answer(status), CLIENTS), index=index)
    assert code(seen, whole()) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("timeout", "http-timeout"), ("closed", "connection-reset"), ("plain", "http-error")],
)
def test_no_answer(kind: Kind, expected: str) -> None:
    """A missing answer gives a finding by how the connection ended."""
    assert code(observed(NetworkError("http", kind), CLIENTS), whole()) == expected


def test_identity_not_asked_for() -> None:
    """A server that asks for no identity gives a note."""
    found = top(observed(FINE, asked=False), whole())
    assert found is not None
    assert (found.code, found.rank) == ("identity-not-asked-for", "note")


@pytest.mark.parametrize("refusal", [REFUSED, NetworkError("tls", "alert", "", 48)])
def test_wrong_ca(refusal: Answer | NetworkError) -> None:
    """If the server's CAs do not include ours, that is the cause, and the fact names both."""
    found = top(observed(refusal, OTHERS), whole())
    assert found is not None
    assert found.code == "identity-wrong-ca"
    assert "CN=Gamma Root" in found.fact
    assert "CN=Beta Root" in found.fact


def test_missing_intermediate() -> None:
    """A lone leaf lacks its intermediate if its issuer is related to one of the server's CAs."""
    alone = known(alice().certificate)
    assert code(observed(REFUSED, CLIENTS), alone) == "identity-chain-incomplete"
    assert code(observed(REFUSED, OTHERS), alone) == "identity-wrong-ca"


def test_alert_without_a_list() -> None:
    """Without the server's CAs, the alert for an unknown CA is judged by the issuer's name."""
    alert = NetworkError("tls", "alert", "", 48)
    assert code(observed(alert), known(alice().certificate)) == "identity-chain-incomplete"
    strange = known(OTHERS.issue("alice").certificate)
    assert code(observed(alert), strange) == "identity-wrong-ca"
    assert code(observed(alert), whole()) == "identity-wrong-ca"


@pytest.mark.parametrize("alert", [44, 45, 42, 40])
def test_refused_by_alert(alert: int) -> None:
    """An alert that the CAs do not explain is a refusal of the identity."""
    refusal = NetworkError("tls", "alert", "", alert)
    assert code(observed(refusal, CLIENTS), whole()) == "identity-refused"


def test_taken_since_the_server_has_it() -> None:
    """A lone leaf gives a warning if the server happens to have its intermediate."""
    alone = known(alice().certificate)
    found = top(observed(FINE, CLIENTS, ISSUER), alone)
    assert found is not None
    assert (found.code, found.rank) == ("identity-chain-incomplete", "warning")
    direct = known(CLIENTS.issue("alice").certificate)
    assert top(observed(FINE, CLIENTS, OTHERS), direct) is None


@pytest.mark.parametrize(
    "attempt",
    [
        Attempt(shaken(CLIENTS), NONE_SENT),
        Attempt(shaken(CLIENTS), Answer(496)),
        Attempt(shaken(CLIENTS), Answer(403)),
        Attempt(shaken(CLIENTS), later_error=NetworkError("tls", "alert", "", 116)),
        Attempt(shaken(CLIENTS, finished=False, alert=40)),
    ],
)
def test_identity_required(attempt: Attempt) -> None:
    """A server may refuse a client without an identity in one of many ways."""
    assert code(Transcript(INDEX, anonymous=attempt), known()) == "identity-required"


def test_own_fault_explains_the_refusal() -> None:
    """If the identity is unusable here, the server's demand for one is left out."""
    seen = Transcript(INDEX, anonymous=Attempt(shaken(CLIENTS), NONE_SENT))
    local = finding("passphrase-wrong", "it does not open", "try another")
    found = conclude((local,), known(), (seen,))
    assert found == (local,)


def test_other_urls_stay_visible() -> None:
    """A URL that fails for another reason is reported beside a fault of this machine."""
    local = finding("identity-expired", "expired", "renew")
    down = Transcript(INDEX, error=NetworkError("connect", "refused"))
    found = conclude((local,), known(), (down,))
    assert [one.code for one in found] == ["connection-refused", "identity-expired"]


def test_unverified_without_roots() -> None:
    """If the roots are not known, the server's certificate is not judged."""
    shake = replace(shaken(CLIENTS), name_matches=None, chain=())
    seen = Transcript(INDEX, anonymous=Attempt(shake))
    assert top(seen, replace(known(), roots=None)) is None


@pytest.mark.parametrize(("skew", "words"), [(7200.0, "2 hours ahead"), (-86400.0, "1 day behind")])
def test_clock(skew: float, words: str) -> None:
    """A clock that is wrong by more than five minutes gives a warning."""
    found = top(observed(replace(FINE, skew=skew), CLIENTS), whole())
    assert found is not None
    assert (found.code, found.rank) == ("clock-skew", "warning")
    assert words in found.fact


def test_clock_is_the_cause() -> None:
    """If the identity is valid by the server's clock, this machine's clock is the cause."""
    ahead = 400 * 86400.0
    late = replace(whole(), now=NOW + dt.timedelta(seconds=ahead))
    local = finding("identity-expired", "expired", "renew")
    answer = replace(NONE_SENT, skew=ahead)
    seen = Transcript(INDEX, anonymous=Attempt(shaken(CLIENTS), answer))
    found = conclude((local,), replace(late, identity=()), (seen,))
    assert [(one.code, one.rank) for one in found][-2:] == [
        ("identity-expired", "warning"),
        ("clock-skew", "error"),
    ]
