"""A machine that is full, closed, small or bare: a clear error, or it works all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.mishaps.scene import FILE, MEMORY, SURROUNDINGS

if TYPE_CHECKING:
    from tests.e2e.mishaps.scene import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.mishap]

NOTICE = "mtls-run: notice: "


def tiny(folder: Path, *, fill: bool = True) -> str:
    """Return the commands that put a very small, full disk in a directory's place."""
    lines = [f"mkdir -p '{folder}'", f"mount -t tmpfs -o size=16k,mode=700 tmpfs '{folder}'"]
    if fill:
        lines.append(f"head -c 100000 /dev/zero >'{folder}/full' 2>/dev/null || true")
    return "\n".join(lines)


# Full disks.


@pytest.mark.parametrize("options", [MEMORY, FILE, ()], ids=["memfd", "supervise", "gateway"])
def test_full_cache(scene: Scene, options: tuple[str, ...]) -> None:
    """Nothing that is cached is needed: with a full disk there the roots are held in memory."""
    if not options:
        scene.behind_gateway()
    done = scene.run_mounted(tiny(scene.cache), *options)
    scene.assert_worked(done)
    scene.assert_recovers(*options)


def test_full_everywhere_with_the_gateway(scene: Scene) -> None:
    """The gateway needs no file: with no room anywhere, the tool gets roots and proxy."""
    scene.behind_gateway()
    places = [scene.root / "run", scene.cache, Path("/dev/shm")]
    done = scene.run_mounted("\n".join(map(tiny, places)))
    scene.assert_worked(done)
    scene.assert_recovers()


def test_full_runtime_directory(scene: Scene) -> None:
    """With no room in the runtime directory the private file goes to the next place."""
    place = scene.root / "run"
    done = scene.run_mounted(tiny(place), *FILE)
    scene.assert_worked(done)
    scene.assert_recovers(*FILE)


def test_full_everywhere(scene: Scene) -> None:
    """With no room anywhere for a private file that is the error, and the tool does not run."""
    places = [scene.root / "run", scene.cache, Path("/dev/shm")]
    done = scene.run_mounted("\n".join(map(tiny, places)), *FILE)
    scene.assert_failed(done, "No space left on device")
    scene.assert_recovers(*FILE)


def test_full_temporary_directory(scene: Scene) -> None:
    """mtls-run writes nothing into the temporary directory: a fake tool is started as ever."""
    scene.bench.sandbox.fake_tool("uv")
    apart = "unshare -m" if os.geteuid() == 0 else "unshare -rm"
    script = f"{tiny(scene.root / 'tmp')}\nexec {scene.program} uv pip install x"
    command = [*apart.split(), "sh", "-ec", script]
    done = scene.bench.sandbox.execute(command, env=scene.bench.env)
    assert (done.returncode, done.stderr) == (0, "")
    scene.assert_clean(done)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["--explain", "uv", "pip", "list"]])
def test_full_stdout(scene: Scene, words: list[str]) -> None:
    """An answer that /dev/full does not take is an error."""
    scene.bench.sandbox.fake_tool("uv")
    shell = ["sh", "-c", '"$@" >/dev/full', "sh", scene.program]
    done = scene.bench.sandbox.execute([*shell, *words], env=scene.bench.env)
    scene.assert_failed(done, "No space left on device")
    done = scene.bench.sandbox.run(*words, env=scene.bench.env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_full_stderr(scene: Scene) -> None:
    """What cannot be said on stderr is no reason to fail, and no reason not to."""
    shell = ["sh", "-c", '"$@" 2>/dev/full', "sh", scene.program]
    scene.bench.env["CORP_PASSPHRASE"] = "another one"
    done = scene.run(program=shell)
    assert (done.returncode, done.stdout, done.stderr) == (125, "", "")
    scene.assert_not_called(done)
    scene.bench.env["CORP_PASSPHRASE"] = scene.canary.text
    done = scene.run(MEMORY[0], "memfd", "-v", program=shell)
    assert done.stderr == ""
    scene.assert_clean(done)
    scene.assert_recovers()


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EIO", "EROFS"])
@pytest.mark.parametrize("folder", ["bundles", "results"])
def test_failing_cache(scene: Scene, error: str, folder: str) -> None:
    """A write into the cache that fails half-way costs time only."""
    scene.open() if folder == "results" else None
    done = scene.run_at(f"half:/{folder}/", f"error:{error}")
    scene.assert_worked(done)
    assert list((scene.cache / folder).glob(".*")) == []
    scene.assert_recovers()


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EIO"])
def test_failing_private_file(scene: Scene, error: str) -> None:
    """A private file that cannot be written whole is removed, and made in the next place."""
    done = scene.run_at("half:identity.pem", f"error:{error}", options=FILE)
    scene.assert_worked(done)
    scene.assert_recovers(*FILE)


# Limits of the process.


def test_no_file_may_grow(scene: Scene) -> None:
    """With RLIMIT_FSIZE of 0 neither a memory file nor any other can be written: an error."""
    done = scene.run_in("limit:FSIZE=0")
    scene.assert_failed(done, "File too large", notices=True)
    scene.assert_recovers()


@pytest.mark.parametrize("options", [MEMORY, FILE], ids=["memfd", "supervise"])
def test_no_file_may_grow_as_was_asked(scene: Scene, options: tuple[str, ...]) -> None:
    """With RLIMIT_FSIZE of 0 the handoff that the user names fails by its own words."""
    done = scene.run_in("limit:FSIZE=0", options=options)
    scene.assert_failed(done, "File too large")
    scene.assert_recovers(*options)


@pytest.mark.parametrize("number", [64, 32, 24, 20, 16])
@pytest.mark.parametrize("options", [MEMORY, FILE], ids=["memfd", "supervise"])
def test_few_descriptors(scene: Scene, number: int, options: tuple[str, ...]) -> None:
    """With few descriptors mtls-run starts the tool; what that does with them is its own matter."""
    fake = scene.bench.sandbox.fake_tool("uv")
    done = few(scene, number, *options)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert fake.seen().files["SSL_CLIENT_CERT"] == scene.bench.alice.pem()
    scene.assert_clean(done)
    (scene.bench.sandbox.bin / "uv").unlink()
    scene.assert_recovers(*options)


@pytest.mark.parametrize("number", range(15, 3, -1))
def test_hardly_any_descriptors(scene: Scene, number: int) -> None:
    """Down to where Python itself does not start, it works or is an error that says why."""
    fake = scene.bench.sandbox.fake_tool("uv")
    done = few(scene, number)
    scene.canary.assert_absent(done.stdout, done.stderr, below=scene.disks())
    if fake.runs:
        assert (done.returncode, done.stderr) == (0, ""), done
        assert fake.seen().files["SSL_CLIENT_CERT"] == scene.bench.alice.pem()
    elif "mtls-run: " in done.stderr:
        assert done.returncode in (125, 126), done
        scene.assert_failed(done, "Too many open files", status=done.returncode)
    else:
        assert "mtls_run/" not in done.stderr, "Python itself does not start"
        assert done.returncode != 0
    (scene.bench.sandbox.bin / "uv").unlink()
    scene.assert_recovers()


def few(scene: Scene, number: int, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a fake tool with this many descriptors."""
    start = [sys.executable, "-I", SURROUNDINGS, f"limit:NOFILE={number}", "--"]
    words = [scene.program, *options, "uv", "pip", "install", "x"]
    return scene.bench.sandbox.execute([*start, *words], env=scene.bench.env)


@pytest.mark.parametrize("megabytes", [48, 24, 16])
def test_little_memory(scene: Scene, megabytes: int) -> None:
    """With too little memory to import what is needed the run ends, and nothing is left."""
    done = scene.run_in(f"limit:AS={megabytes * 1024 * 1024}")
    assert done.returncode != 0, done
    scene.assert_not_called(done)
    scene.assert_recovers()


NO_PROCESS = ("refuse:clone,clone3,fork,vfork=EAGAIN",)


def test_no_process_may_be_started(scene: Scene) -> None:
    """Where no process can be started, the tool's version cannot be asked: an error says so."""
    done = scene.run_in(*NO_PROCESS)
    scene.assert_failed(done, "Resource temporarily unavailable", status=126)
    scene.assert_recovers()


def test_no_process_may_be_started_for_the_tool(scene: Scene) -> None:
    """Where the supervised tool cannot be started its file is removed, and the error says why."""
    scene.assert_recovers()
    scene.bench.server.forget()
    subprocess.run(["rm", "-r", str(scene.bench.target)], check=True)
    done = scene.run_in(*NO_PROCESS, options=FILE)
    scene.assert_failed(done, "Resource temporarily unavailable", status=126)
    scene.assert_no_leftovers()
    scene.assert_recovers(*FILE)


def test_no_process_is_needed(scene: Scene) -> None:
    """With the version remembered no process is needed to become the tool."""
    scene.assert_recovers()
    done = scene.run_in(*NO_PROCESS, options=("-v",))
    assert "mtls-run: runs: " in done.stderr
    assert "mtls-run: error: " not in done.stderr
    scene.assert_clean(done)
    scene.assert_recovers()


@pytest.mark.parametrize("mask", ["000", "777", "022"])
@pytest.mark.parametrize("options", [MEMORY, FILE], ids=["memfd", "supervise"])
def test_umask(scene: Scene, mask: str, options: tuple[str, ...]) -> None:
    """Whatever the umask, a private file is private and a bundle readable: by a fake tool."""
    fake = scene.bench.sandbox.fake_tool("uv")
    start = [sys.executable, "-I", SURROUNDINGS, f"umask:{mask}", "--"]
    words = [scene.program, *options, "uv", "pip", "install", "x"]
    shell = 'stat -c %a "$SSL_CLIENT_CERT" "$(dirname "$SSL_CLIENT_CERT")"; umask'
    env = {**scene.bench.env, "FAKE_SHELL": shell}
    done = scene.bench.sandbox.execute([*start, *words], env=env)
    assert done.returncode == 0, done
    assert fake.seen().files["SSL_CLIENT_CERT"] == scene.bench.alice.pem()
    assert fake.seen().files["SSL_CERT_FILE"] == scene.bench.server.server_ca.pem
    file, _, told = done.stdout.split()
    assert int(told, 8) == int(mask, 8), "the tool has the user's umask"
    if options == FILE:
        assert file == "600"
    for path in (scene.cache, *scene.cache.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    scene.assert_clean(done)
    (scene.bench.sandbox.bin / "uv").unlink()
    scene.assert_recovers(*options)


# Homes.


def test_read_only_home(scene: Scene) -> None:
    """On a read-only disk, cache and all, the roots are held in memory and the tool runs."""
    scene.bench.target.mkdir()
    script = f"mount --bind '{scene.root}' '{scene.root}'\n"
    script += f"mount -o remount,ro,bind '{scene.root}' '{scene.root}'\n"
    script += f"mount -t tmpfs tmpfs '{scene.bench.target}'\nexport TMPDIR='{scene.bench.target}'"
    done = scene.run_mounted(script, *MEMORY)
    assert done.returncode == 0, done
    assert "mtls-run:" not in done.stderr
    assert {request.subject for request in scene.bench.server.requests()} == {"CN=alice"}
    scene.assert_clean(done)
    scene.assert_recovers()


def test_read_only_home_and_no_memory(scene: Scene) -> None:
    """Read-only everywhere, with a private file asked for: an error that says so."""
    script = "\n".join(
        f"mkdir -p '{place}'\nmount --bind '{place}' '{place}'\n"
        f"mount -o remount,ro,bind '{place}' '{place}'"
        for place in (scene.root, "/dev/shm")
    )
    done = scene.run_mounted(script, *FILE)
    scene.assert_failed(done, "Read-only file system")
    scene.assert_recovers(*FILE)


def test_home_of_another_user(scene: Scene) -> None:
    """A cache that belongs to somebody else is not used, and not needed."""
    if os.geteuid() == 0:
        scene.cache.mkdir()
        os.chown(scene.cache, 65534, 65534)
    else:
        scene.cache.symlink_to("/etc")
    done = scene.run()
    scene.assert_worked(done)
    if os.geteuid() == 0:
        assert list(scene.cache.iterdir()) == []
        scene.cache.rmdir()
    else:
        scene.cache.unlink()
    scene.assert_recovers()


NO_XDG: dict[str, str | None] = dict.fromkeys(
    [f"XDG_{name}_HOME" for name in ("CACHE", "CONFIG", "DATA", "STATE")]
)


def test_no_home(scene: Scene) -> None:
    """Without HOME, the password file's home counts; here MTLS_RUN_CONFIG says the rest."""
    config = scene.bench.sandbox.config_file
    text = config.read_text().replace("~", str(scene.bench.sandbox.home))
    config.write_text(text)
    done = scene.run(env={"HOME": None, "MTLS_RUN_CONFIG": str(config)})
    scene.assert_worked(done)
    scene.assert_recovers()


@pytest.mark.parametrize("home", ["/nowhere/home", "/dev/null", "", "relative"])
def test_home_that_is_none(scene: Scene, home: str) -> None:
    """A HOME that does not exist is not made; configuration that is named elsewhere serves."""
    config = scene.bench.sandbox.config_file
    text = config.read_text().replace("~", str(scene.bench.sandbox.home))
    config.write_text(text)
    env = {**NO_XDG, "HOME": home, "MTLS_RUN_CONFIG": str(config), "UV_CACHE_DIR": None}
    done = scene.run(env=env)
    scene.assert_worked(done)
    assert not Path("/nowhere").exists()
    scene.assert_recovers()


def test_home_that_is_none_and_no_other_place(scene: Scene) -> None:
    """Without home, runtime directory and /dev/shm a private file has no place: an error."""
    config = scene.bench.sandbox.config_file
    text = config.read_text().replace("~", str(scene.bench.sandbox.home))
    config.write_text(text)
    env = {**NO_XDG, "HOME": "/nowhere/home", "MTLS_RUN_CONFIG": str(config)}
    env["XDG_RUNTIME_DIR"] = None
    done = scene.run_mounted("mount -t tmpfs -o ro tmpfs /dev/shm", *FILE, env=env)
    scene.assert_failed(done, "private place")
    scene.assert_recovers(*FILE)


# A system that lacks something.


@pytest.mark.parametrize("how", ["umount -l /proc", "mount -t tmpfs -o ro tmpfs /proc"])
def test_no_proc(scene: Scene, how: str) -> None:
    """Without /proc a memory file has no path: a private file is used, and a notice says so."""
    fake = scene.bench.sandbox.fake_tool("uv")
    if os.geteuid() != 0:
        how = "mount -t tmpfs -o ro tmpfs /proc"  # who is not root may hide it, not take it away
    apart = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    shell = [*apart, "sh", "-ec", f'{how}\nexec "$@"', "sh", scene.program]
    done = scene.bench.sandbox.execute([*shell, "uv", "pip", "install", "x"], env=scene.bench.env)
    assert done.returncode == 0, done
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{NOTICE}/proc is not mounted, or not this process's own; ")
    assert fake.seen().files["SSL_CLIENT_CERT"] == scene.bench.alice.pem()
    assert not (fake.seen().get("SSL_CLIENT_CERT") or "/proc").startswith("/proc")
    scene.assert_clean(done)
    refused = scene.bench.sandbox.execute(
        [*shell, *MEMORY, "uv", "pip", "install", "x"], env=scene.bench.env
    )
    scene.assert_failed(refused, "/proc is not mounted")
    assert fake.runs == 1
    (scene.bench.sandbox.bin / "uv").unlink()
    scene.assert_recovers()


def test_memory_files_refused(scene: Scene) -> None:
    """Where seccomp refuses memfd_create a private file is used, and a notice says so."""
    done = scene.run_in("refuse:memfd_create")
    scene.assert_worked(done)
    notices = [line for line in done.stderr.splitlines() if line.startswith("mtls-run:")]
    assert len(notices) == 1
    assert notices[0].startswith(f"{NOTICE}memfd_create is refused: Operation not permitted; ")
    scene.assert_recovers()


def test_memory_files_refused_though_asked_for(scene: Scene) -> None:
    """Where seccomp refuses memfd_create and the user asked for it, that is the error."""
    done = scene.run_in("refuse:memfd_create", options=MEMORY)
    scene.assert_failed(done, "memfd_create is refused: Operation not permitted")
    scene.assert_recovers(*MEMORY)


def test_memory_files_refused_and_a_full_cache(scene: Scene) -> None:
    """With neither memory nor cache for the roots, the error names the cache."""
    shell = f"{sys.executable} -I {SURROUNDINGS} refuse:memfd_create --"
    script = f'{tiny(scene.cache)}\nset -- {shell} "$@"'
    done = scene.run_mounted(script)
    scene.assert_failed(done, str(scene.cache), "No space left on device")
    scene.assert_recovers()


@pytest.mark.parametrize("state", ["missing", "open-to-all", "a-file", "relative", "of-another"])
def test_runtime_directory(scene: Scene, state: str) -> None:
    """A runtime directory that is none is passed over; the private file is made elsewhere."""
    run = scene.root / "run"
    env: dict[str, str | None] = {}
    if state == "missing":
        run.rmdir()
    elif state == "a-file":
        run.rmdir()
        run.write_bytes(b"")
    elif state == "relative":
        env = {"XDG_RUNTIME_DIR": "run"}
    else:
        (run / "mtls-run").mkdir(mode=0o700)
        if state == "open-to-all":
            (run / "mtls-run").chmod(0o777)
        elif os.geteuid() == 0:
            os.chown(run / "mtls-run", 65534, 65534)
    done = scene.run(*FILE, env=env)
    scene.assert_worked(done)
    if state in ("open-to-all", "of-another") and os.geteuid() == 0:
        assert list((run / "mtls-run").iterdir()) == []
    assert not (scene.bench.sandbox.home / "run").exists()
    scene.assert_recovers(*FILE)


# Streams.


@pytest.mark.parametrize("streams", ["0", "1", "2", "01", "02", "12", "012"])
@pytest.mark.parametrize("options", [MEMORY, FILE], ids=["memfd", "supervise"])
def test_closed_streams(scene: Scene, streams: str, options: tuple[str, ...]) -> None:
    """With standard streams closed the tool is started as ever, and none of them is the key."""
    fake = scene.bench.sandbox.fake_tool("uv")
    start = [sys.executable, "-I", SURROUNDINGS, *(f"close:{number}" for number in streams), "--"]
    words = [scene.program, *options, "uv", "pip", "install", "x"]
    bare = scene.bench.sandbox.execute([*start, str(fake.path), "pip", "install", "x"])
    done = scene.bench.sandbox.execute([*start, *words], env=scene.bench.env)
    assert done.returncode == bare.returncode
    assert (done.stdout, "mtls-run" in done.stderr) == ("", False)
    assert fake.seen().files["SSL_CLIENT_CERT"] == scene.bench.alice.pem()
    assert Path(fake.seen().get("SSL_CLIENT_CERT") or "").name not in ("0", "1", "2")
    scene.canary.assert_absent(done.stderr)  # a fake tool itself may want for its stdout
    scene.assert_clean()
    (scene.bench.sandbox.bin / "uv").unlink()
    scene.assert_recovers(*options)


@pytest.mark.parametrize("streams", ["0", "1", "2", "012"])
def test_closed_streams_and_an_error(scene: Scene, streams: str) -> None:
    """With streams closed an error has its status, and is said where it can be."""
    scene.bench.env["CORP_PASSPHRASE"] = "another one"
    done = scene.run_in(*(f"close:{number}" for number in streams))
    if "2" in streams:
        assert (done.returncode, done.stdout, done.stderr) == (125, "", "")
        scene.assert_not_called(done)
    else:
        scene.assert_failed(done, "does not open")
    scene.bench.env["CORP_PASSPHRASE"] = scene.canary.text
    scene.assert_recovers()


def test_closed_streams_and_few_descriptors(scene: Scene) -> None:
    """Where the key cannot be moved up, it is not put in the place of a closed stream either."""
    fake = scene.bench.sandbox.fake_tool("uv")
    start = [sys.executable, "-I", SURROUNDINGS, "close:0", "close:1", "close:2", "limit:NOFILE=64"]
    words = ["--", scene.program, *MEMORY, "uv", "pip", "install", "x"]
    done = scene.bench.sandbox.execute([*start, *words], env=scene.bench.env)
    assert (done.stdout, done.stderr) == ("", "")
    assert int(Path(fake.seen().get("SSL_CLIENT_CERT") or "").name) > 2
    scene.assert_clean(done)
    (scene.bench.sandbox.bin / "uv").unlink()
    scene.assert_recovers()


@pytest.mark.parametrize("words", [["--help"], ["--explain", "uv", "pip", "list"]])
def test_pipe_that_takes_nothing(scene: Scene, words: list[str]) -> None:
    """An answer into a full pipe that does not wait is an error; an error into one is lost."""
    scene.bench.sandbox.fake_tool("uv")
    start = [sys.executable, "-I", SURROUNDINGS, "full:1", "--", scene.program]
    done = scene.bench.sandbox.execute([*start, *words], env=scene.bench.env)
    scene.assert_failed(done, "cannot write the answer to stdout")


def test_full_pipe_as_stderr(scene: Scene) -> None:
    """A full pipe on stderr that does not wait is no reason for another status."""
    scene.bench.env["CORP_PASSPHRASE"] = "another one"
    done = scene.run_in("full:2", options=("-v",))
    assert (done.returncode, done.stdout, done.stderr) == (125, "", "")
    scene.assert_not_called(done)
    scene.bench.env["CORP_PASSPHRASE"] = scene.canary.text
    done = scene.run_in("full:2", options=("-v",))
    scene.assert_clean(done)
    scene.assert_recovers()


@pytest.mark.parametrize("stream", [1, 2])
def test_reader_that_went_away(scene: Scene, stream: int) -> None:
    """A reader that has gone is no traceback, on stdout and on stderr."""
    scene.bench.sandbox.fake_tool("uv")
    reader, writer = os.pipe()
    os.close(reader)
    words = [scene.program, "-v", "--explain", "uv", "pip", "install", "x"]
    done = subprocess.run(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        stdout=writer if stream == 1 else subprocess.PIPE,
        stderr=writer if stream == 2 else subprocess.PIPE,
        env=scene.bench.sandbox.environment(scene.bench.env),
        cwd=scene.bench.sandbox.home,
        check=False,
        timeout=60,
    )
    os.close(writer)
    assert not done.stderr
    assert done.returncode == (125 if stream == 1 else 0)
    scene.assert_clean()


def test_no_terminal(scene: Scene) -> None:
    """Without a terminal a profile that asks there is an error at once."""
    scene.profile('passphrase = "prompt"')
    done = scene.run()
    scene.assert_failed(done, "there is no terminal to ask at")
    scene.profile()
    scene.assert_recovers()


@pytest.mark.parametrize("ignored", ["SIGTERM", "SIGHUP", "SIGINT", "SIGCHLD", "SIGPIPE"])
def test_ignored_signals(scene: Scene, ignored: str) -> None:
    """What started us ignores a signal (as nohup does): the supervised tool still ends well."""
    done = scene.run_in(f"ignore:{ignored}", options=FILE)
    scene.assert_worked(done)
    scene.assert_recovers(*FILE)


# Languages.


LOCALES: list[dict[str, str | None]] = [
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "xx_XX.ISO-8859-1", "LANG": None},
    {"LC_ALL": None, "LANG": None, "PYTHONIOENCODING": "ascii"},
    {"LC_ALL": None, "LANG": None, "PYTHONIOENCODING": "utf-16"},
]


@pytest.mark.parametrize(
    "locale", LOCALES, ids=["C", "POSIX", "C-bare", "unknown", "ascii", "utf-16"]
)
def test_locale(scene: Scene, locale: dict[str, str | None]) -> None:
    """In any locale a key in a folder of any name is used, and an error that names it is said."""
    named(scene)
    done = scene.run(env=locale)
    scene.assert_worked(done)
    refused = scene.run(env={**locale, "CORP_PASSPHRASE": "another one"})
    assert refused.returncode == 125
    assert "Traceback" not in refused.stderr
    said = refused.stderr.encode("utf-8", "surrogateescape").replace(b"\0", b"")
    assert b"mtls-run: error: " in said
    assert b"mtls-run: hint: " in said
    scene.assert_recovers()


def named(scene: Scene) -> None:
    """Move the key into a folder whose name takes more than ASCII."""
    folder = scene.bench.sandbox.home / "Schlüssel ключ 鍵"
    folder.mkdir()
    scene.key.rename(folder / "ä.pem")
    scene.bench.profile(
        f'client-cert = "~/{folder.name}/ä.pem"\npassphrase = {{ env = "CORP_PASSPHRASE" }}'
    )


@pytest.mark.parametrize("charset", ["ISO-8859-1", "EUC-JP"])
def test_locale_of_another_charset(scene: Scene, charset: str) -> None:
    """In a real locale that is not UTF-8, arguments and paths reach the tool byte for byte."""
    locales = scene.root.with_name("locales")
    locales.mkdir()
    command = ["localedef", "-f", charset, "-i", "en_US" if charset[0] == "I" else "ja_JP"]
    made = subprocess.run(
        [*command, "--no-archive", str(locales / f"xx.{charset}")], capture_output=True, check=False
    )
    assert (locales / f"xx.{charset}").exists(), made.stderr
    named(scene)
    fake = scene.bench.sandbox.fake_tool("uv")
    env = {"LOCPATH": str(locales), "LC_ALL": f"xx.{charset}", "PYTHONUTF8": "0"}
    odd = os.fsdecode(b"\xe4\xff \xc3")
    words = [scene.program, *MEMORY, "uv", "pip", "install", odd]
    done = scene.bench.sandbox.execute(words, env={**scene.bench.env, **env})
    assert (done.returncode, done.stderr) == (0, "")
    assert fake.seen().args[-1] == b"\xe4\xff \xc3"
    assert fake.seen().files["SSL_CLIENT_CERT"] == scene.bench.alice.pem()
    refused = scene.bench.sandbox.execute(
        words, env={**scene.bench.env, **env, "CORP_PASSPHRASE": "x"}
    )
    assert refused.returncode == 125
    assert "Traceback" not in refused.stderr
    assert fake.runs == 1
    (scene.bench.sandbox.bin / "uv").unlink()
    scene.assert_recovers()


def test_slow_home(scene: Scene) -> None:
    """A home that answers slowly, as one on a network does, makes a run slow and not another."""
    done = scene.run_at("before:mtls_run.system.dirs:has_leftovers", f"slow:{scene.root}:0.03")
    scene.assert_worked(done)
    scene.assert_recovers()


def test_current_directory_removed(scene: Scene) -> None:
    """In a directory that was removed the error says so."""
    gone = scene.bench.sandbox.home / "gone"
    gone.mkdir()
    shell = [
        "sh",
        "-c",
        f'cd "{gone}" && rmdir "{gone}" && "$@"',
        "sh",
        scene.program,
    ]
    done = scene.run(program=shell)
    # dash, as the launcher's sh, says so first.
    said = [line for line in done.stderr.splitlines(keepends=True) if "getcwd() failed" not in line]
    done.stderr = "".join(said)
    scene.assert_failed(done, "current directory")
    scene.assert_recovers()


def test_core_limit_is_the_users(scene: Scene) -> None:
    """The tool has the limits that mtls-run was started with."""
    scene.bench.sandbox.fake_tool("uv")
    start = [
        sys.executable,
        "-I",
        SURROUNDINGS,
        "limit:CORE=4096",
        "--",
        scene.program,
    ]
    for options in (MEMORY, FILE):
        env = {**scene.bench.env, "FAKE_SHELL": "ulimit -c"}
        done = scene.bench.sandbox.execute([*start, *options, "uv", "pip", "install", "x"], env=env)
        assert (done.returncode, done.stdout.strip()) == (0, "8"), done
        scene.assert_clean(done)
