"""Real tokens for tests: SoftHSM 2, whose keys never leave it, each in a directory of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptography import x509

    from tests.pki import Authority, Issued

PIN, SO_PIN = "1234-geheim", "87654321"
KINDS = {"rsa": "rsa:2048", "p256": "EC:prime256v1", "p384": "EC:secp384r1"}
_READ_KEY = """
import sys, pkcs11
from pkcs11.util import ec, rsa
module, label, pin, number = sys.argv[1:]
with pkcs11.lib(module).get_token(token_label=label).open(user_pin=pin) as session:
    wanted = dict(object_class=pkcs11.ObjectClass.PUBLIC_KEY, id=bytes.fromhex(number))
    key = session.get_key(**wanted)
    if key.key_type is pkcs11.KeyType.EC:
        print(ec.encode_ec_public_key(key).hex())
    else:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
        from cryptography.hazmat.primitives.serialization import load_der_public_key
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
        parts = [key[a] for a in (pkcs11.Attribute.PUBLIC_EXPONENT, pkcs11.Attribute.MODULUS)]
        public = RSAPublicNumbers(*(int.from_bytes(p, "big") for p in parts)).public_key()
        print(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex())
"""


def softhsm_module() -> Path:
    """Return the module of SoftHSM 2."""
    found = sorted(Path("/usr/lib").glob("**/libsofthsm2.so"))
    if not found:
        raise AssertionError("SoftHSM is missing: tests/run installs it")
    return found[0]


@dataclass
class SoftToken:
    """A token of SoftHSM 2, and the environment in which its module finds it."""

    folder: Path
    label: str = "Lab"
    more: str = ""
    """Further lines of softhsm2.conf."""
    environ: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "tokens").mkdir(exist_ok=True)
        configuration = self.folder / "softhsm2.conf"
        configuration.write_text(
            f"directories.tokendir = {self.folder / 'tokens'}\n"
            "objectstore.backend = file\nlog.level = ERROR\nslots.removable = true\n"
            f"{self.more}\n"
        )
        self.environ = {"SOFTHSM2_CONF": str(configuration)}
        self.add_token(self.label)

    def add_token(self, label: str) -> None:
        """Make a further token, with the same PIN."""
        command = ["softhsm2-util", "--init-token", "--free", "--label", label]
        self._run([*command, "--pin", PIN, "--so-pin", SO_PIN])

    def make_key(
        self, kind: str, label: str = "alice", number: str = "01", *, always: bool = False
    ) -> Any:
        """Make a key that cannot be extracted, and return its public key.

        With `always` it wants the PIN before each signature.
        """
        words = ["--keypairgen", "--key-type", KINDS[kind], "--usage-sign"]
        words += ["--always-auth"] if always else []
        self.tool("--login", "--pin", PIN, *words, "--label", label, "--id", number)
        return self.public_key(number)

    def public_key(self, number: str) -> Any:
        """Return the public key with this id, in hexadecimal."""
        # pkcs11-tool 0.23 cannot read the public key of P-384.
        words = [str(self.module), self.label, PIN, number]
        return load_der_public_key(
            bytes.fromhex(self._run([sys.executable, "-c", _READ_KEY, *words]))
        )

    def put(self, certificate: x509.Certificate, label: str = "alice", number: str = "01") -> None:
        """Write a certificate into the token."""
        path = self.folder / f"{number}.der"
        path.write_bytes(certificate.public_bytes(Encoding.DER))
        words = ["--write-object", str(path), "--type", "cert", "--label", label, "--id", number]
        self.tool("--login", "--pin", PIN, *words)

    def pull(self) -> None:
        """Take the token away, as a card is pulled."""
        shutil.rmtree(self.folder / "tokens")

    @cached_property
    def module(self) -> Path:
        """The module to load."""
        return softhsm_module()

    def uri(self, rest: str = "object=alice") -> str:
        """Return the URI of an object in this token."""
        return f"pkcs11:token={self.label};{rest}?module-path={self.module}"

    def tool(self, *words: str) -> str:
        """Run pkcs11-tool on this token, and return what it printed."""
        command = ["pkcs11-tool", "--module", str(self.module), "--token-label", self.label]
        return self._run([*command, *words])

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command,
            env={**os.environ, **self.environ},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"{command} ended with {done.returncode}: {done.stderr}")
        return done.stdout


class PublicOnly:
    """Stands for a private key that cannot be had where a certificate is issued for it."""

    def __init__(self, public: Any) -> None:
        self._public = public

    def public_key(self) -> Any:
        """Return the public key."""
        return self._public


def identity(
    place: SoftToken, authority: Authority, kind: str, *, always: bool = False, **given: Any
) -> Issued:
    """Make a key in the token, and put its certificate and chain beside it."""
    public = place.make_key(kind, always=always)
    issued = authority.issue("alice", key=cast("Any", PublicOnly(public)), **given)
    place.put(issued.certificate)
    for number, above in enumerate(issued.chain):
        place.put(above, "issuer", f"f{number}")
    return issued


def run(
    asked: Mapping[str, Any], environ: Mapping[str, str], python: str | Path = sys.executable
) -> dict[str, Any]:
    """Run `tests/by_token.py` and return its answer."""
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("by_token.py"))],
        input=json.dumps(asked),
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    # A module may write to stderr: tpm2-tss says each of its errors there.
    assert done.returncode == 0, done
    assert "Traceback" not in done.stderr, done
    return cast("dict[str, Any]", json.loads(done.stdout))


_BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""
TPM_KINDS = {"rsa": "rsa2048", "p256": "ecc256", "p384": "ecc384"}


class SoftTpm(SoftToken):
    """A token of tpm2-pkcs11 in a software TPM (swtpm), behind tpm2-abrmd on a bus of its own."""

    def __post_init__(self) -> None:
        (self.folder / "state").mkdir(parents=True)
        (self.folder / "store").mkdir()
        (self.folder / "bus.conf").write_text(_BUS.format(folder=self.folder))
        tcti = "tabrmd:bus_type=session"
        self.environ = {
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.folder}/bus",
            "TPM2TOOLS_TCTI": tcti,
            "TPM2_PKCS11_TCTI": tcti,
            "TPM2_PKCS11_STORE": str(self.folder / "store"),
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise

    def _start_all(self) -> None:
        self._start("dbus-daemon", f"--config-file={self.folder / 'bus.conf'}", "--nofork")
        port = _two_ports()
        self._start(
            *f"swtpm socket --tpm2 --tpmstate dir={self.folder / 'state'}".split(),
            *f"--server type=tcp,port={port},bindaddr=127.0.0.1".split(),
            *f"--ctrl type=tcp,port={port + 1},bindaddr=127.0.0.1".split(),
            *["--flags", "not-need-init,startup-clear"],
        )
        _until(lambda: (self.folder / "bus").exists() and _answers(port + 1))
        self._start(
            *f"tpm2-abrmd --session --allow-root --tcti=swtpm:host=127.0.0.1,port={port}".split()
        )
        _until(lambda: self._works("tpm2_getcap", "properties-fixed"))
        self.ptool("init")
        self.ptool("addtoken", "--pid=1", f"--userpin={PIN}", f"--sopin={SO_PIN}", label=True)

    def _start(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    command,
                    env={**os.environ, **self.environ},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def _works(self, *command: str) -> bool:
        done = subprocess.run(
            command, env={**os.environ, **self.environ}, capture_output=True, check=False
        )
        return done.returncode == 0

    def ptool(self, command: str, *words: str, label: bool = False) -> str:
        """Run tpm2_ptool."""
        named = [f"--label={self.label}"] if label else []
        return self._run(["tpm2_ptool", command, *named, *words])

    def make_key(
        self, kind: str, label: str = "alice", number: str = "01", *, always: bool = False
    ) -> Any:
        """Make a key in the TPM, and return its public key."""
        assert not always
        words = [f"--algorithm={TPM_KINDS[kind]}", f"--key-label={label}", f"--id={number}"]
        self.ptool("addkey", f"--userpin={PIN}", *words, label=True)
        return self.public_key(number.encode().hex())  # its id is the text

    def put(self, certificate: x509.Certificate, label: str = "alice", number: str = "01") -> None:
        """Write the certificate of a key; the TPM's store takes no other."""
        if number != "01":
            return
        path = self.folder / f"{number}.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        self.ptool("addcert", f"--key-label={label}", str(path), label=True)

    def work(self) -> bool:
        """Have the TPM make an RSA key, for which any other caller waits; tell whether it did."""
        return self._works("tpm2_createprimary", "-C", "o", "-G", "rsa2048")

    def stop(self) -> None:
        """End the TPM and what is around it."""
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait(10)

    @cached_property
    def module(self) -> Path:
        """The module to load."""
        found = sorted(Path("/usr/lib").glob("*/pkcs11/libtpm2_pkcs11.so"))
        if not found:
            raise AssertionError("tpm2-pkcs11 is missing: tests/run installs it")
        return found[0]


def _two_ports() -> int:
    """Return a free port with a free one after it: tpm2-tss 3.2 finds swtpm's control there."""
    for _ in range(50):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                return port
    raise AssertionError("no two ports are free side by side")


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not ready():
        if time.monotonic() > deadline:
            raise AssertionError("the software TPM does not start")
        time.sleep(0.05)
