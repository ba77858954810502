"""tox drops most variables from its environments; TOX_OVERRIDE has it pass them on.

The key is `passenv`, tox 3's name. tox 4.11 to 4.35 take an override of `pass_env` for all that is
said, and drop what a tox.ini lists under `passenv`. With `passenv` they pass over the override
where tox.ini says `pass_env`; tox 4.67 knows both as one. tox before 4.11 does not know `+=`.
An environment with a list of its own passes that list alone.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.tools.base import Variables

OVERRIDE = "TOX_OVERRIDE"
# tox.ini and tox.toml name their sections differently; each passes over the other's.
_SECTIONS = ("testenv", "env_run_base", "pkgenv", "env_pkg_base")
# What an mtls-run inside needs, and git's settings: without the first of them git would end.
_ALWAYS = ("GIT_CONFIG_*", "MTLS_RUN_*")
# What tox passes on by itself (4.0 to 4.67).
_PASSED = (
    *("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"),
)


def pass_on(variables: Variables, environ: Mapping[str, str]) -> Variables:
    """Return TOX_OVERRIDE, the user's own first, so that tox passes `variables` on."""
    without = (*_PASSED, *(name[:-1] for name in _ALWAYS))
    names = [
        name
        for name, value in variables.items()
        if value is not None and not name.upper().startswith(without)
    ]
    listed = ",".join(sorted({*names, *_ALWAYS}))
    given = [part for part in environ.get(OVERRIDE, "").split(";") if part]
    added = [f"{section}.passenv+={listed}" for section in _SECTIONS]
    return {OVERRIDE: ";".join(dict.fromkeys([*given, *added]))}
