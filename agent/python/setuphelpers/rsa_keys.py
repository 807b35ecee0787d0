"""RSA keys and certificates: secrets for one host (RSA-OAEP), and what a certificate says.

Parties: whoever makes a package encrypts a secret with the certificate of a host; the
host's script decrypts it with the host's private key, which only the agent's own folder
holds. OAEP uses SHA-1 for hash and mask, without label, as the predecessor's packages do.
Signatures are checked by the agent before any script runs, never here.
"""

import base64
import hashlib
import os
import secrets

from .der import (BIT_STRING, OBJECT_ID, OCTET_STRING, RSA_ENCRYPTION, SEQUENCE, SET, DerError,
                  pem_blocks, read)
from .errors import EWaptException

_MIN_BITS, _MAX_BITS = 1024, 16384
_COMMON_NAME = '2.5.4.3'
#: Where the agent keeps the host's RSA key for secrets, below its private folder.
_HOST_KEY_FILE = 'host-decrypt.pem'


class EWaptCryptoException(EWaptException):
    """A key or certificate cannot be used."""


def _mask(seed, length):
    blocks = b''.join(hashlib.sha1(seed + number.to_bytes(4, 'big')).digest()
                      for number in range(-(-length // 20)))
    return blocks[:length]


def _mixed(data, mask):
    return bytes(one ^ other for one, other in zip(data, mask))


def oaep_encode(message, size, seed):
    """Pads a message to `size` bytes (RFC 8017, 7.1.1)."""
    if len(message) > size - 42:
        raise EWaptCryptoException('%d bytes are too many for this key: at most %d'
                                   % (len(message), size - 42))
    label = hashlib.sha1(b'').digest()
    block = label + bytes(size - len(message) - 42) + b'\x01' + message
    masked = _mixed(block, _mask(seed, len(block)))
    return b'\x00' + _mixed(seed, _mask(masked, 20)) + masked


def oaep_decode(padded):
    """Takes the padding away (RFC 8017, 7.1.2); one reason for every failure."""
    label = hashlib.sha1(b'').digest()
    masked_seed, masked = padded[1:21], padded[21:]
    block = _mixed(masked, _mask(_mixed(masked_seed, _mask(masked, 20)), len(masked)))
    start = block.find(b'\x01', 20)
    if padded[:1] != b'\x00' or block[:20] != label or start < 0 or any(block[20:start]):
        raise EWaptCryptoException('the secret cannot be decrypted: it was made for another key, '
                                   'or is damaged')
    return block[start + 1:]


class PublicKey:
    """An RSA public key."""

    def __init__(self, modulus, exponent):
        if not _MIN_BITS <= modulus.bit_length() <= _MAX_BITS or exponent < 3:
            raise EWaptCryptoException('RSA keys have %d to %d bits, this one has %d'
                                       % (_MIN_BITS, _MAX_BITS, modulus.bit_length()))
        self.modulus, self.exponent = modulus, exponent
        self.size = -(-modulus.bit_length() // 8)

    def encrypt(self, content):
        """Encrypts a short secret (RSA-OAEP); only the private key opens it."""
        data = content.encode('utf-8') if isinstance(content, str) else bytes(content)
        padded = oaep_encode(data, self.size, secrets.token_bytes(20))
        number = pow(int.from_bytes(padded, 'big'), self.exponent, self.modulus)
        return number.to_bytes(self.size, 'big')


class SSLPrivateKey:
    """An RSA private key of a PEM file (PKCS#8 or PKCS#1, without password)."""

    def __init__(self, filename=None, callback=None, password=None, pem_data=None):
        self.private_key_filename = filename
        if pem_data is None:
            try:
                with open(filename, encoding='ascii', errors='replace') as file:
                    pem_data = file.read()
            except OSError as error:
                raise EWaptCryptoException('cannot read the key %s: %s'
                                           % (filename, error)) from error
        shown = filename or 'the key'
        try:
            self._numbers = _private_numbers(pem_data, shown)
        except (DerError, IndexError) as error:
            raise EWaptCryptoException('%s is not an RSA key: %s' % (shown, error)) from error
        modulus, exponent = self._numbers[1], self._numbers[2]
        self.public_key = PublicKey(modulus, exponent)

    def decrypt(self, content):
        """Decrypts a secret that was made for this key (RSA-OAEP).

        `content` is bytes, or text in base64; the answer is bytes.
        """
        if isinstance(content, str):
            content = base64.b64decode(content)
        key = self.public_key
        number = int.from_bytes(content, 'big')
        if len(content) != key.size or number >= key.modulus:
            raise EWaptCryptoException('the secret has %d bytes, this key opens %d'
                                       % (len(content), key.size))
        _, _, _, _, p, q, d_p, d_q, inverse = self._numbers[:9]
        # Blinded, so that the time taken tells nothing of the key.
        blind = secrets.randbelow(key.modulus - 3) + 2
        number = number * pow(blind, key.exponent, key.modulus) % key.modulus
        in_p, in_q = pow(number, d_p, p), pow(number, d_q, q)
        plain = in_q + (inverse * (in_p - in_q) % p) * q
        plain = plain * pow(blind, -1, key.modulus) % key.modulus
        return oaep_decode(plain.to_bytes(key.size, 'big'))


def _private_numbers(pem_data, shown):
    for label, headers, data in pem_blocks(pem_data):
        if 'ENCRYPTED' in label or 'ENCRYPTED' in headers.get('Proc-Type', ''):
            raise EWaptCryptoException('%s has a password: scripts read keys without one' % shown)
        node, _ = read(data)
        if label == 'PRIVATE KEY':
            _, algorithm, inner = node.expect(SEQUENCE).children()[:3]
            if algorithm.children()[0].object_id() != RSA_ENCRYPTION:
                raise EWaptCryptoException('%s is not an RSA key: only RSA decrypts' % shown)
            node, _ = read(inner.expect(OCTET_STRING).content)
        elif label != 'RSA PRIVATE KEY':
            continue
        numbers = [child.integer() for child in node.expect(SEQUENCE).children()[:9]]
        if len(numbers) < 9:
            raise DerError('numbers are missing')
        return numbers
    raise EWaptCryptoException('%s holds no private key' % shown)


class SSLCertificate:
    """A certificate of a PEM or DER file: who it is for, until when, its key."""

    def __init__(self, crt_filename=None, crt_string=None):
        self.public_cert_filename = crt_filename
        shown = crt_filename or 'the certificate'
        try:
            if crt_string is None:
                with open(crt_filename, 'rb') as file:
                    crt_string = file.read()
            data = _certificate_bytes(crt_string, shown)
            self._der = data
            fields = read(data)[0].expect(SEQUENCE).children()[0].expect(SEQUENCE).children()
            # An explicit version comes first, in all but the oldest certificates.
            fields = fields[1:] if fields[0].tag == 0xa0 else fields
            self.serial_number = fields[0].integer()
            self.issuer_cn, self.cn = _common_name(fields[2]), _common_name(fields[4])
            self.not_before, self.not_after = (moment.time() for moment in fields[3].children())
            self._key = fields[5]
        except OSError as error:
            raise EWaptCryptoException('cannot read %s: %s' % (shown, error)) from error
        except (DerError, IndexError, ValueError) as error:
            raise EWaptCryptoException('%s is not a certificate: %s' % (shown, error)) from error

    @property
    def fingerprint(self):
        """SHA-256 of the certificate in hexadecimal."""
        return hashlib.sha256(self._der).hexdigest()

    def as_pem(self):
        """Writes the certificate as PEM."""
        body = base64.encodebytes(self._der).decode('ascii').replace('\n', '')
        lines = [body[at:at + 64] for at in range(0, len(body), 64)]
        return '\n'.join(['-----BEGIN CERTIFICATE-----', *lines, '-----END CERTIFICATE-----', ''])

    def public_key(self):
        """Returns the RSA key."""
        algorithm, bits = self._key.children()
        if algorithm.children()[0].object_id() != RSA_ENCRYPTION:
            raise EWaptCryptoException('the certificate of %s has no RSA key: only RSA encrypts'
                                       % self.cn)
        modulus, exponent = read(bits.expect(BIT_STRING).content[1:])[0].children()
        return PublicKey(modulus.integer(), exponent.integer())

    def encrypt(self, content):
        """Encrypts a short secret for the holder of the private key (RSA-OAEP)."""
        return self.public_key().encrypt(content)

    def __repr__(self):
        return 'SSLCertificate(%r)' % self.cn


def _certificate_bytes(data, shown):
    if isinstance(data, bytes) and data[:1] == b'\x30':
        return data
    text = data.decode('ascii', 'replace') if isinstance(data, bytes) else data
    for label, _, block in pem_blocks(text):
        if label in ('CERTIFICATE', 'X509 CERTIFICATE'):
            return block
    raise EWaptCryptoException('%s holds no certificate' % shown)


def _common_name(name):
    found = ''
    for part in name.expect(SEQUENCE).children():
        for pair in part.expect(SET).children():
            kind, value = pair.children()
            if kind.tag == OBJECT_ID and kind.object_id() == _COMMON_NAME:
                found = value.text()
    return found


def load_host_key(private_dir):
    """Returns the key of this host that opens secrets made for it.

    Raises EWaptCryptoException when there is none or the script's user may not read it.
    """
    if not private_dir:
        raise EWaptCryptoException('the host key is known below an agent only')
    path = os.path.join(private_dir, _HOST_KEY_FILE)
    if not os.path.isfile(path):
        raise EWaptCryptoException('this host has no key for secrets (%s is missing): the agent '
                                   'makes it with its first inventory' % path)
    return SSLPrivateKey(path)
