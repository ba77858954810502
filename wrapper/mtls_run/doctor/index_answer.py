"""Findings about an index's answer, once server and client have accepted each other."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from mtls_run.doctor import client_auth
from mtls_run.doctor.authorities import listed, named_by
from mtls_run.doctor.findings import Finding, finding
from mtls_run.doctor.indexes import Index
from mtls_run.doctor.transcript import Answer, Attempt, LocalFacts, Transcript
from mtls_run.net.errors import NetworkError
from mtls_run.system.urls import without_password
from mtls_run.tools.pip import TOOL as PIP
from mtls_run.tools.uv import TOOL as UV

# A finding's code, fact and action; all but the code without the index's own words.
Judgement = tuple[str, str, str]

_ASK = "ask the index's administrator"
_ASK_FOR_LOG = f"{_ASK} to look into the server's log"
_CHECK_PATH = "check the path: it often ends in /simple/"


def judge(seen: Transcript, local: LocalFacts) -> list[Finding]:
    """Return a finding if the answer is not what pip and uv need."""
    attempt = seen.identified or seen.anonymous
    assert attempt is not None
    if client_auth.is_refusal(attempt) or (local.identity and seen.identified is None):
        return []
    judgement = None
    if attempt.error is not None:
        judgement = _no_answer(attempt.error)
    elif attempt.answer is not None:
        judgement = _answer(seen.index, attempt, attempt.answer, local)
    if judgement is None:
        return []
    code, fact, action = judgement
    return [finding(code, f"{seen.index.shown} {fact}", action, origin=seen.index.origin)]


def _no_answer(error: NetworkError) -> Judgement:
    if error.kind == "timeout":
        action = f"try again with a longer --timeout; then {_ASK}"
        return "http-timeout", "does not answer the request in time", action
    if error.kind in ("closed", "reset"):
        return "connection-reset", "closes the connection without an answer", _ASK_FOR_LOG
    if error.step == "tls":
        return "tls-failed", f"ends TLS: {error.reason or 'no reason is given'}", _ASK_FOR_LOG
    return "http-error", f"sends an answer that is not HTTP/1: {error.reason}", _ASK


def _answer(index: Index, attempt: Attempt, answer: Answer, local: LocalFacts) -> Judgement | None:
    status = answer.status
    if index.receives and status != HTTPStatus.FORBIDDEN:
        return None  # it answers uploads, and doctor sends none
    if status in range(200, 300):
        return _page(attempt, answer)
    if status in range(300, 400):
        return _redirect(index, answer)
    if status == HTTPStatus.UNAUTHORIZED:
        # Other tools than pip and uv have passwords where doctor does not look.
        is_of_others = index.asked_by and not {PIP.KIND, UV.KIND} & set(index.asked_by)
        return None if is_of_others else _unauthorized(index)
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden(attempt, local)
    if status == HTTPStatus.NOT_FOUND:
        return "http-not-found", "does not exist: the server answers 404", _CHECK_PATH
    action = f"{_ASK} what this answer means"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        action = f"try again later; then {_ASK}"
    return "http-error", f"answers {status}", action


def _page(attempt: Attempt, answer: Answer) -> Judgement | None:
    if answer.page is not None:
        return None
    media = answer.media or "a page of no stated type"
    redirect = f" (after a redirect to {attempt.redirects[-1]})" if attempt.redirects else ""
    fact = f"is not a package index: it answers {media} without links{redirect}"
    return "not-an-index", fact, _CHECK_PATH


def _unauthorized(index: Index) -> Judgement:
    if index.login is not None:
        fact = f"does not accept the user and password from {index.login}: 401"
        return "http-unauthorized", fact, "check whether they are right and not expired"
    fact = "also requires a user and a password: 401"
    action = "put them into ~/.netrc, into pip's and uv's keyring, or into the URL"
    return "http-unauthorized", fact, action


def _forbidden(attempt: Attempt, local: LocalFacts) -> Judgement:
    """Judge a 403, which some servers also send for a missing or unknown identity."""
    accepted = attempt.handshake.accepted
    if attempt.handshake.asked and not local.identity:
        issued_by = f" issued by {listed(accepted)}" if accepted else ""
        fact = f"asks for a client certificate{issued_by}, gets none, and answers 403"
        return "identity-required", fact, 'add the identity to the profile: client-cert = "FILE"'
    if local.identity and accepted and not named_by(local.identity) & set(accepted):
        fact = (
            f"answers 403 to {local.identity_label}; it accepts certificates issued by "
            f"{listed(accepted)}"
        )
        action = "use the identity that was issued for this index, in a profile of its own"
        return "identity-wrong-ca", fact, action
    who = local.identity_label if local.identity else "you"
    return "http-forbidden", f"denies access to {who}: 403", f"{_ASK} for access"


def _redirect(index: Index, answer: Answer) -> Judgement:
    if answer.location is None:
        return "http-error", f"answers {answer.status} without a target", _ASK
    target = without_password(answer.location)
    if index.elsewhere(answer.location) is not None:
        return "http-error", f"redirects in a loop, last to {target}", _ASK
    if urlsplit(answer.location).scheme != "https":
        fact = f"redirects to {target}, which is not protected by TLS"
        return "redirect-insecure", fact, f"use an index that stays on https://, or {_ASK}"
    fact = f"redirects to another host, {target}, which may ask for the identity too"
    return "redirect-elsewhere", fact, f"if that is the index now, use its URL: {target}"
