"""What the index's answer means, once server and client are known to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mtls_run.doctor import admission
from mtls_run.doctor.findings import finding
from mtls_run.doctor.names import above, listed, named
from mtls_run.tools.uv_indexes import without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mtls_run.doctor.admission import Known
    from mtls_run.doctor.findings import Finding
    from mtls_run.doctor.indexes import Index
    from mtls_run.doctor.observations import Answer, Attempt, Observed, Trouble

_FINE = range(200, 300)
_REDIRECTS = range(300, 400)


def judge(seen: Observed, known: Known) -> Iterator[Finding]:
    """Yield what is wrong with the answer that pip and uv would get."""
    attempt = seen.identified or seen.anonymous
    assert attempt is not None
    if admission.is_refusal(attempt) or (known.identity and seen.identified is None):
        return
    index = seen.index
    trouble = attempt.handshake.trouble or attempt.trouble
    if trouble is not None:
        yield _of_trouble(index, trouble)
    elif attempt.answer is not None:
        found = _of_answer(seen, attempt, attempt.answer, known)
        if found is not None:
            yield found


def _of_trouble(index: Index, trouble: Trouble) -> Finding:
    if trouble.kind == "timeout":
        code, fact = "http-timeout", "does not answer the request in time"
        mend = "try again with a longer --timeout; then ask who runs the index"
    elif trouble.kind in ("closed", "reset"):
        code, fact = "connection-reset", "closes the connection without an answer"
        mend = "ask who runs the index what its log says"
    elif trouble.step == "tls":
        code, fact = "tls-failed", f"ends TLS: {trouble.words or 'no reason is given'}"
        mend = "ask who runs the index what its log says"
    else:
        code, fact = "http-error", f"answers what is no HTTP: {trouble.words}"
        mend = "ask who runs the index"
    return finding(code, f"{index.shown} {fact}", mend, origin=index.origin)


def _of_answer(seen: Observed, attempt: Attempt, answer: Answer, known: Known) -> Finding | None:
    index, status = seen.index, answer.status
    if status in _FINE:
        if answer.page is not None:
            return None
        said = answer.media or "nothing that it names"
        end = f" (after a redirect to {attempt.redirects[-1]})" if attempt.redirects else ""
        fact = f"{index.shown} is no package index: it answers {said} without links{end}"
        mend = "see that the URL is the index's own: it often ends in /simple/"
        return finding("not-an-index", fact, mend, origin=index.origin)
    if status in _REDIRECTS:
        return _of_redirect(index, answer)
    if status == 401:  # noqa: PLR2004
        return _unauthorized(index)
    if status == 403:  # noqa: PLR2004
        return _forbidden(seen, attempt, known)
    if status == 404:  # noqa: PLR2004
        fact = f"{index.shown} is not there: the server answers 404"
        mend = "see that the path is right: it often ends in /simple/"
        return finding("http-not-found", fact, mend, origin=index.origin)
    whose = "the index is in trouble; try again, then ask who runs it"
    mend = whose if status >= 500 else "ask who runs the index what this answer means"  # noqa: PLR2004
    return finding("http-error", f"{index.shown} answers {status}", mend, origin=index.origin)


def _unauthorized(index: Index) -> Finding:
    if index.login is not None:
        fact = f"{index.shown} does not take the user and password from {index.login}: 401"
        mend = "see that they are right, and not expired"
    else:
        fact = f"{index.shown} wants a user and a password besides: 401"
        mend = "put them into ~/.netrc, into pip's and uv's keyring, or into the URL"
    return finding("http-unauthorized", fact, mend, origin=index.origin)


def _forbidden(seen: Observed, attempt: Attempt, known: Known) -> Finding:
    """Return what a 403 means: some servers say so of a missing or unknown identity too."""
    index, accepted = seen.index, attempt.handshake.accepted
    if attempt.handshake.asked and not known.identity:
        of = f" of {listed(accepted)}" if accepted else ""
        fact = f"{index.shown} asks for a client certificate{of}, gets none, and answers 403"
        mend = 'give the profile its identity: client-cert = "FILE"'
        return finding("identity-required", fact, mend, origin=index.origin)
    if known.identity and accepted:
        own = {*above(known.identity), *(named(one.subject) for one in known.identity[1:])}
        if not own & set(accepted):
            fact = f"{index.shown} answers 403 to {known.identity_label}; it takes identities of"
            mend = "use the identity that was issued for this index, with a profile of its own"
            return finding(
                "identity-wrong-ca", f"{fact} {listed(accepted)}", mend, origin=index.origin
            )
    who = known.identity_label if known.identity else "you"
    fact = f"{index.shown} does not admit {who}: 403"
    mend = "ask who runs the index for access"
    return finding("http-forbidden", fact, mend, origin=index.origin)


def _of_redirect(index: Index, answer: Answer) -> Finding:
    if answer.location is None:
        fact = f"{index.shown} answers {answer.status} and says not where to"
        return finding("http-error", fact, "ask who runs the index", origin=index.origin)
    shown = without_password(answer.location)
    if index.elsewhere(answer.location) is not None:
        fact = f"{index.shown} redirects again and again, last to {shown}"
        return finding("http-error", fact, "ask who runs the index", origin=index.origin)
    if urlsplit(answer.location).scheme != "https":
        fact = f"{index.shown} redirects to {shown}, which nobody protects"
        mend = "name an index that stays on https://, or ask who runs this one"
        return finding("redirect-insecure", fact, mend, origin=index.origin)
    fact = f"{index.shown} redirects to another host, {shown}, which would see the identity too"
    mend = f"if that is the index now, name it itself: {shown}"
    return finding("redirect-elsewhere", fact, mend, origin=index.origin)
