"""A secret among the words of a command is shown as `***`, and nothing else is masked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run.system import urls
from mtls_run.tools import registry
from mtls_run.tools.base import Target


def shown(*words: str) -> tuple[str, ...]:
    """Return the words of a command, run as any program may be, as mtls-run shows them."""
    tool, call = registry.recognise(words, any_program=True)
    return Target(tool, call, words[0]).shown()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("make --token x all", "make --token *** all"),
        ("make --token=x all", "make --token=*** all"),
        ("make --token= all", "make --token= all"),
        ("make --token", "make --token"),
        ("make --token --token x", "make --token --token ***"),
        ("make --token -x", "make --token ***"),
        ("make --password x --passwd=x", "make --password *** --passwd=***"),
        ("make --auth-token=x --api-key x", "make --auth-token=*** --api-key ***"),
        ("make --client-secret x", "make --client-secret ***"),
        ("make --key-passphrase=x --pin x", "make --key-passphrase=*** --pin ***"),
        ("make PASSWORD=x GITHUB_TOKEN=x", "make PASSWORD=*** GITHUB_TOKEN=***"),
        ("env TOKEN=x make", "env TOKEN=*** make"),
        ("twine upload -p x d/*", "twine upload -p *** d/*"),
        ("twine upload -px d/*", "twine upload -p*** d/*"),
        ("twine upload --password=x", "twine upload --password=***"),
        ("twine upload -u me -r corp", "twine upload -u me -r corp"),
        ("/venv/bin/twine upload -p x", "/venv/bin/twine upload -p ***"),
        ("curl -u a:b https://h/", "curl -u *** https://h/"),
        ("curl -ua:b https://h/", "curl -u*** https://h/"),
        ("curl -sSu a:b https://h/", "curl -sSu *** https://h/"),
        ("uvx curl -fsSLu a:b https://h/", "uvx curl -fsSLu *** https://h/"),
        ("curl --user a:b -U a:b https://h/", "curl --user *** -U *** https://h/"),
        ("curl --proxy-user=a:b https://h/", "curl --proxy-user=*** https://h/"),
        ("uv publish -t x", "uv publish -t ***"),
        ("uv publish -u me -p x d/*", "uv publish -u me -p *** d/*"),
        ("uv publish --token=x", "uv publish --token=***"),
        ("uv auth login -p x h", "uv auth login -p *** h"),
        ("uv run -p 3.12 x", "uv run -p 3.12 x"),
        ("uv run twine upload -p x d/*", "uv run twine upload -p *** d/*"),
        ("uvx twine upload -px", "uvx twine upload -p***"),
        ("uv venv -p 3.12", "uv venv -p 3.12"),
        ("uv pip install -t d -p 3.12 x", "uv pip install -t d -p 3.12 x"),
        ("pip install --proxy u:x@proxy:3128 y", "pip install --proxy u:***@proxy:3128 y"),
        ("pip install -i https://me:x@h/simple y", "pip install -i https://me:***@h/simple y"),
        ("pip install -t d --target=d y", "pip install -t d --target=d y"),
        ("pip install --pre --no-input y==1", "pip install --pre --no-input y==1"),
        ("python -m pip install tokenizers", "python -m pip install tokenizers"),
        ("make -p -u x tokens=3", "make -p -u x tokens=3"),
        ("make --tokens 3 --spin x --pinned y", "make --tokens 3 --spin x --pinned y"),
    ],
)
def test_words(words: str, expected: str) -> None:
    """Each way to write a secret is masked; what only resembles one is shown."""
    assert " ".join(shown(*words.split())) == expected


# Parts of an option's or a variable's name that may mean a secret, and programs with short options
# for one: words without any of them, and without a URL, are shown.
NAMES = (
    *("token", "pass", "secret", "credential", "pin", "key", "auth", "user"),
    *("twine", "curl", "publish"),
)
PLAIN = st.text(st.characters(exclude_characters="@\0"), max_size=12).filter(
    lambda word: not any(part in word.lower() for part in NAMES)
)


@given(st.lists(PLAIN, max_size=6), st.sampled_from(["pip", "uv", "make"]))
def test_nothing_else_is_masked(words: list[str], program: str) -> None:
    """Words without such a name, and without a URL, are shown as they are."""
    assert shown(program, *words) == (program, *words)


@given(st.text(st.characters(exclude_characters="\0"), min_size=9, max_size=20))
def test_no_form_shows_the_secret(value: str) -> None:
    """Whatever the secret is, `--token VALUE`, `--token=VALUE` and `TOKEN=VALUE` hide it."""
    assert shown("make", f"--token={value}", f"TOKEN={value}", "--token", value) == (
        *("make", "--token=***", "TOKEN=***"),
        *("--token", "***"),
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://host/simple", "https://host/simple"),
        ("https://host:8443/a@b", "https://host:8443/a@b"),
        ("https://[::1]:8443/a@b", "https://[::1]:8443/a@b"),
        ("https://[::1]/a@b", "https://[::1]/a@b"),
        ("https://me:hunter2@host:8443/simple", "https://me:***@host:8443/simple"),
        ("https://me:hunter2@host", "https://me:***@host"),
        ("https://me:hunter2@host?x=y@z", "https://me:***@host?x=y@z"),
        ("https://me:@host/", "https://me:***@host/"),
        ("https://me:hunt:er2@host/", "https://me:***@host/"),
        ("https://me:hunt@er2@host/", "https://me:***@host/"),
        ("https://me:hunt/er2@host/", "https://me:***@host/"),
        ("https://me:hunt#er2@host/", "https://me:***@host/"),
        ("https://me%40corp:hunter2@host/", "https://me%40corp:***@host/"),
        ("https://hunter2@host/", "https://***@host/"),
        ("https://:hunter2@host/", "https://:***@host/"),
        ("me:hunter2@host/simple", "me:***@host/simple"),
        ("", ""),
        ("/some/path", "/some/path"),
    ],
)
def test_without_password(url: str, expected: str) -> None:
    """The password is hidden, in odd URLs too; a name alone is most often a token."""
    assert urls.without_password(url) == expected


@given(
    user=st.from_regex(r"[a-z]{0,5}", fullmatch=True),
    password=st.text(st.characters(exclude_characters="/?#"), min_size=1),
    path=st.from_regex(r"(/[a-z@:]{0,5}){0,3}", fullmatch=True),
)
def test_any_password(user: str, password: str, path: str) -> None:
    """Whatever the password, all else of the URL is shown and nothing of it."""
    shown = urls.without_password(f"https://{user}:{password}@host{path}")
    assert shown == f"https://{user}:***@host{path}"


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("x", "x"),
        ("x @ https://a:hunter2@h/x.whl", "x @ https://a:***@h/x.whl"),
        ("--index-url=https://a:hunter2@h/", "--index-url=https://a:***@h/"),
        ("https://a:hunter2@h/ https://b:hunter2@h/", "https://a:***@h/ https://b:***@h/"),
        ("https://h/\nhttps://a:hunter2@h/", "https://h/\nhttps://a:***@h/"),
        ("https://h/\t\nhttps://hunter2@h/", "https://h/\t\nhttps://***@h/"),
        ("https://h/,https://a:hunter2@h/", "https://h/,https://a:***@h/"),
        ("https://h/;https://a:hunter2@h/", "https://h/;https://a:***@h/"),
        ("https://h/y@1/https://a:hunter2@h/", "https://h/y@1/https://a:***@h/"),
        ("a:hunter2@proxy:3128", "a:***@proxy:3128"),
        ("--proxy=a:hunter2@proxy:3128", "--proxy=a:***@proxy:3128"),
        ("//a:hunter2@proxy/", "//a:***@proxy/"),
        ("ruff@0.5", "ruff@0.5"),
        ("git@host:x/y", "git@host:x/y"),
        ("C:\\a@b\\c", "C:\\a@b\\c"),
        ("/a:/b@c", "/a:/b@c"),
        ("https://h/x@1", "https://h/x@1"),
    ],
)
def test_passwords_in_urls(word: str, shown: str) -> None:
    """No password of a URL is shown, however many there are in a word; all else stays as it is."""
    assert urls.without_passwords(word) == shown
    assert urls.without_passwords(shown) == shown
