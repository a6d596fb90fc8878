"""TLS certificates of our own, for servers on loopback."""

import os
import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Certificates:
    """An authority, and certificates that it signs."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory)
        self.authority = self.path("ca.pem")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=Test authority", "-keyout", self.path("ca.key"), "-out", self.authority)

    def path(self, name):
        return os.path.join(self.directory, name)

    def issue(self, name, alternative, days=2):
        """The paths of a certificate and its key."""
        key, request, certificate = (self.path(f"{name}.{end}") for end in ("key", "csr", "pem"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", key, "-out", request)
        extensions = self.path(f"{name}.ext")
        with open(extensions, "w", encoding="ascii") as out:
            out.write(f"subjectAltName={alternative}\n")
        openssl("x509", "-req", "-in", request, "-CA", self.authority, "-CAkey", self.path("ca.key"),
                "-CAcreateserial", "-days", str(days), "-extfile", extensions, "-out", certificate)
        return certificate, key
