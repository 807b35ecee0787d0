"""Names that older package scripts import from `waptcrypto`."""

from setuphelpers.files import md5_for_file, sha1_for_file, sha256_for_file
from setuphelpers.rsa_keys import EWaptCryptoException, SSLCertificate, SSLPrivateKey

__all__ = ['EWaptCryptoException', 'SSLCertificate', 'SSLPrivateKey', 'md5_for_file',
           'sha1_for_file', 'sha256_for_file']
