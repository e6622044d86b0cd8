"""Certificates of an authority that exists for one test."""
import datetime
import ipaddress
import pathlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


def _new_key(kind):
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def key_pem(key, password=None):
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


class Authority:
    def __init__(self, directory, name="test-ca"):
        self.directory = pathlib.Path(directory)
        self.key = _new_key("ec")
        self.name = _name(name)
        self.file = self.directory / f"{name}.pem"
        self.file.write_bytes(self._sign(self.name, self.key, 2, is_authority=True))

    def _sign(self, subject, key, days, is_authority=False):
        now = datetime.datetime.utcnow()
        start = now - datetime.timedelta(days=10)
        builder = x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number(), start,
                                          now + datetime.timedelta(days=days))  # fmt: skip
        builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        if not is_authority:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue(self, name, days=30, kind="ec"):
        """(certificate, key): PEM bytes of a fresh pair, valid for 127.0.0.1 and localhost."""
        key = _new_key(kind)
        return self._sign(_name(name), key, days), key_pem(key)

    def write(self, name, **how):
        """The same as files: name.pem and name.key."""
        files = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        for file, text in zip(files, self.issue(name, **how)):
            file.write_bytes(text)
        return files

    def client_context(self):
        """Trusts this authority, and nobody else."""
        return ssl.create_default_context(cafile=self.file)
