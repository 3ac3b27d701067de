"""A certificate authority that the machine trusts, and a certificate for each name of the cloud."""

import ssl
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_EXTENSIONS = """subjectAltName=DNS:{name}
keyUsage=digitalSignature
extendedKeyUsage=serverAuth
authorityKeyIdentifier=keyid
subjectKeyIdentifier=hash
"""


def _openssl(folder: Path, *words: str, stdin: bytes = b"") -> bytes:
    command = ["openssl", *words]
    return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, check=True).stdout


@dataclass(frozen=True)
class Authority:
    """A folder with the authority's key and certificate."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def prepare(self) -> None:
        """Make the authority, unless it exists."""
        if self.certificate.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        _openssl(self.folder, "genrsa", "-out", "leaf.key", "2048")
        usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        files = ["-keyout", "ca.key", "-out", "ca.pem"]
        options = ["-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=test machine"]
        _openssl(self.folder, "req", "-x509", *options, *usage, *files)

    def context(self) -> ssl.SSLContext:
        """Return the TLS context of a server that has every name."""
        context_of = cache(self._context)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        def choose(connection: ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
            connection.context = context_of(name or "unknown")

        # The types of the standard library lack SSLObject, which is not used here.
        server.sni_callback = choose  # type: ignore[assignment]
        return server

    def _context(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate(name), self.folder / "leaf.key")
        return context

    def _certificate(self, name: str) -> Path:
        made, extensions = self.folder / f"{name}.pem", self.folder / f"{name}.ext"
        if made.exists():
            return made
        extensions.write_text(_EXTENSIONS.format(name=name))
        request = _openssl(self.folder, "req", "-new", "-key", "leaf.key", "-subj", "/CN=cloud")
        signer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-days", "3650", "-extfile", extensions.name]
        made.write_bytes(_openssl(self.folder, "x509", "-req", *signer, stdin=request))
        return made
