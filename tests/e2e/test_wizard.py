"""`mtls-run profile add` asks at a real terminal, and tries the answers at a real index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.bench import WHEELS
from tests.e2e.toolbox import newest_uv
from tests.pki import Authority
from tests.terminal import OFFER, PROMPT, session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.bench import Bench
    from tests.e2e.secret_service import SecretService
    from tests.sandbox import Canary
    from tests.terminal import Terminal

pytestmark = pytest.mark.e2e

CERTIFICATE, CA, URL = "client certificate .*: $", "CA certificate .*: $", "URL of the index.*: $"
STRANGER = Authority.create("Another Root").issue("bob")
EXPIRED = Authority.create("Another Root").issue("carol", days=-2, starts=-30)


@pytest.fixture
def terminal(bench: Bench, keyring: SecretService, canary: Canary) -> Iterator[Terminal]:
    """Start the wizard where there are an encrypted PKCS#12, and the CA of the index."""
    home = bench.sandbox
    home.write("pki/alice.p12", bench.alice.p12(canary.text))
    home.write("pki/root.pem", bench.server.server_ca.pem)
    home.write("pki/other.pem", STRANGER.pem())
    home.write("pki/expired.pem", EXPIRED.pem())
    home.env.update(keyring.env)
    with session(home, home.program, "profile", "add", env=bench.tool_env(newest_uv())) as found:
        yield found


def typed(terminal: Terminal, *pairs: tuple[str, str]) -> None:
    """Answer each question that matches with what is beside it."""
    for question, answer in pairs:
        terminal.expect(question)
        terminal.type(answer)


def test_from_nothing_to_an_installed_package(
    terminal: Terminal, bench: Bench, keyring: SecretService, canary: Canary
) -> None:
    """The answers make a profile that is proven at the index, and then installs from it."""
    typed(terminal, ("name .*: $", ""), (CERTIFICATE, "~/pki/alice.p12"), (CA, "~/pki/root.pem"))
    typed(terminal, (PROMPT, canary.text), (URL, bench.server.url), (OFFER, "y"))
    assert terminal.end() == 0, terminal.shown
    assert f"{bench.server.url} accepts the certificate" in terminal.shown
    assert [one.subject for one in bench.server.requests() if one.subject] == [bench.subject]
    assert f"next: mtls-run uv pip install --index-url {bench.server.url} PACKAGE" in terminal.shown
    assert keyring.lookup("corp") == canary.text
    home, uv = bench.sandbox, newest_uv()
    done = home.run(*bench.install(uv, "alpha-pkg"), env=bench.tool_env(uv))
    assert done.returncode == 0, done.stderr
    assert bench.installed() == WHEELS


def test_wrong_answers_are_asked_for_again(
    terminal: Terminal, bench: Bench, canary: Canary
) -> None:
    """Each wrong answer is named, and its question comes again."""
    typed(terminal, ("name .*: $", "a/b"), ("name .*: $", "work"))
    typed(terminal, (CERTIFICATE, "~/pki/alice.p13"), (CERTIFICATE, "~/pki/root.pem"))
    typed(terminal, ("private key .*: $", ""), (CERTIFICATE, "~/pki/expired.pem"))
    typed(terminal, (CERTIFICATE, "~/pki/alice.p12"))
    typed(terminal, (CA, "~/pki/alice.p12"), (CA, ""), (PROMPT, "a slip"), (PROMPT, canary.text))
    typed(terminal, (URL, "no URL"), (URL, bench.server.url), (CA, "~/pki/root.pem"))
    typed(terminal, (OFFER, "n"))
    assert terminal.end() == 0, terminal.shown
    assert "alice.p13" in terminal.shown
    assert "do not include it" in terminal.shown
    assert "accepts the certificate" in terminal.shown
    text = bench.sandbox.config_file.read_text()
    assert "[profiles.work]" in text
    assert 'ca-cert = "~/pki/root.pem"' in text
    canary.assert_absent(terminal.shown, below=[bench.sandbox.root])


def test_a_refused_certificate_is_named_again(
    terminal: Terminal, bench: Bench, canary: Canary
) -> None:
    """Where the index refuses the certificate, the person may name another one."""
    typed(terminal, ("name .*: $", ""), (CERTIFICATE, "~/pki/other.pem"), (CA, "~/pki/root.pem"))
    typed(terminal, (URL, bench.server.url), ("another certificate.*", ""))
    assert "Client Root" in terminal.shown
    typed(terminal, (CERTIFICATE, "~/pki/alice.p12"), (PROMPT, canary.text))
    typed(terminal, (URL, bench.server.url), (OFFER, "n"))
    assert terminal.end() == 0, terminal.shown
    assert 'client-cert = "~/pki/alice.p12"' in bench.sandbox.config_file.read_text()


def test_tab_completes_a_path(terminal: Terminal, bench: Bench, canary: Canary) -> None:
    """The Tab key completes a path, from the home directory too."""
    terminal.expect("name .*: $")
    terminal.type("")
    terminal.expect(CERTIFICATE)
    terminal.press("~/pk\t")
    terminal.expect("~/pki/$")
    terminal.press("ali\t")
    terminal.expect("alice.p12$")
    terminal.type("")
    typed(terminal, (CA, "~/pki/root.pem"), (PROMPT, canary.text), (URL, ""), (OFFER, "n"))
    assert terminal.end() == 0, terminal.shown
    assert 'client-cert = "~/pki/alice.p12"' in bench.sandbox.config_file.read_text()
    assert bench.server.requests() == []


def test_pips_settings_are_offered(bench: Bench) -> None:
    """The certificate, the CA and the index of pip's own settings are offered."""
    home = bench.sandbox
    home.write("pki/alice.pem", bench.alice.pem())
    home.write("pki/root.pem", bench.server.server_ca.pem)
    settings = f"client-cert = {home.home}/pki/alice.pem\ncert = {home.home}/pki/root.pem\n"
    home.write("pip.conf", f"[global]\nindex-url = {bench.server.url}\n{settings}")
    env = {**bench.tool_env(newest_uv()), "PIP_CONFIG_FILE": str(home.home / "pip.conf")}
    with session(home, home.program, "profile", "add", "corp", env=env) as terminal:
        terminal.expect(r"pip's settings.*alice\.pem.*\? .*")
        terminal.type("y")
        terminal.expect(URL)
        terminal.type("")
        assert terminal.end() == 0, terminal.shown
    assert "accepts the certificate" in terminal.shown
    text = home.config_file.read_text()
    assert 'client-cert = "~/pki/alice.pem"' in text
    assert 'ca-cert = "~/pki/root.pem"' in text


@pytest.mark.parametrize("answer", ["y", ""])
def test_remove_asks(bench: Bench, keyring: SecretService, canary: Canary, answer: str) -> None:
    """`profile remove` says that the passphrase goes too, and Enter alone removes nothing."""
    home = bench.sandbox
    home.env.update(keyring.env)
    home.write("pki/alice.p12", bench.alice.p12(canary.text))
    home.write_config('[profiles.corp]\nclient-cert = "~/pki/alice.p12"\n')
    keyring.store("corp", canary.text)
    with session(home, home.program, "profile", "remove", "corp") as terminal:
        terminal.expect(r"passphrase from the keyring\? \[y/N\] ")
        terminal.type(answer)
        assert terminal.end() == 0, terminal.shown
    assert ("profiles.corp" in home.config_file.read_text()) == (answer == "")
    assert keyring.lookup("corp") == (canary.text if answer == "" else None)
