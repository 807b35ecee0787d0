"""Secrets for one host: RSA keys and certificates, against OpenSSL and the golden files."""

import os
import shutil
import subprocess
import unittest

from support import FolderTest, PYTHON_DIR

from setuphelpers import rsa_keys
from setuphelpers.der import DerError, read
from setuphelpers.rsa_keys import EWaptCryptoException, SSLCertificate, SSLPrivateKey

KEYS = os.path.join(PYTHON_DIR, '..', '..', 'tests', 'golden', 'keys')


def golden(name):
    return os.path.join(KEYS, name)


class Secrets(FolderTest):
    def test_what_a_certificate_encrypts_its_key_decrypts(self):
        key = SSLPrivateKey(golden('leaf.pem'))
        certificate = SSLCertificate(golden('leaf.crt'))
        for secret in ('', 'é', 'x' * 214):
            encrypted = certificate.encrypt(secret)
            self.assertEqual(len(encrypted), 256)
            self.assertEqual(key.decrypt(encrypted), secret.encode())
        with self.assertRaisesRegex(EWaptCryptoException, 'at most 214'):
            certificate.encrypt('x' * 215)

    def test_text_in_base64_is_decrypted_too(self):
        import base64
        secret = base64.b64encode(SSLCertificate(golden('leaf.crt')).encrypt('pin')).decode()
        self.assertEqual(SSLPrivateKey(golden('leaf.pem')).decrypt(secret), b'pin')

    @unittest.skipUnless(shutil.which('openssl'), 'openssl is not on this machine')
    def test_openssl_and_the_helpers_understand_each_other(self):
        secret = self.write('secret', b'from openssl')
        subprocess.run(['openssl', 'pkeyutl', '-encrypt', '-certin', '-inkey', golden('leaf.crt'),
                        '-pkeyopt', 'rsa_padding_mode:oaep', '-in', secret, '-out',
                        self.path('out')], check=True)
        with open(self.path('out'), 'rb') as file:
            self.assertEqual(SSLPrivateKey(golden('leaf.pem')).decrypt(file.read()),
                             b'from openssl')
        self.write('ours', SSLCertificate(golden('leaf.crt')).encrypt('ours'))
        done = subprocess.run(['openssl', 'pkeyutl', '-decrypt', '-inkey', golden('leaf.pem'),
                               '-pkeyopt', 'rsa_padding_mode:oaep', '-in', self.path('ours')],
                              check=True, stdout=subprocess.PIPE)
        self.assertEqual(done.stdout, b'ours')

    def test_a_secret_for_another_key_is_refused_with_one_reason(self):
        secret = bytearray(SSLCertificate(golden('leaf.crt')).encrypt('x'))
        for broken in (bytes(secret[:-1]) + bytes([secret[-1] ^ 1]),
                       SSLCertificate(golden('signer.crt')).encrypt('x')):
            try:
                SSLPrivateKey(golden('leaf.pem')).decrypt(broken)
            except EWaptCryptoException as error:
                self.assertRegex(str(error), 'made for another key|this key opens')
            else:
                self.fail('decrypted')
        with self.assertRaisesRegex(EWaptCryptoException, 'has 3 bytes'):
            SSLPrivateKey(golden('leaf.pem')).decrypt(b'abc')

    def test_the_hosts_key_is_found_in_the_agents_folder(self):
        with self.assertRaisesRegex(EWaptCryptoException, 'no key for secrets'):
            rsa_keys.load_host_key(self.folder)
        with self.assertRaisesRegex(EWaptCryptoException, 'below an agent only'):
            rsa_keys.load_host_key(None)
        shutil.copy(golden('leaf.pem'), self.path('host-decrypt.pem'))
        secret = SSLCertificate(golden('leaf.crt')).encrypt('licence')
        self.assertEqual(rsa_keys.load_host_key(self.folder).decrypt(secret), b'licence')

    @unittest.skipUnless(shutil.which('openssl'), 'openssl is not on this machine')
    def test_keys_of_both_forms_are_read_and_others_refused(self):
        subprocess.run(['openssl', 'pkcs8', '-topk8', '-nocrypt', '-in', golden('leaf.pem'),
                        '-out', self.path('p8.pem')], check=True)
        self.assertEqual(SSLPrivateKey(self.path('p8.pem'))._numbers,
                         SSLPrivateKey(golden('leaf.pem'))._numbers)
        with self.assertRaisesRegex(EWaptCryptoException, 'has a password'):
            SSLPrivateKey(golden('encrypted.pem'))
        subprocess.run(['openssl', 'genpkey', '-algorithm', 'EC', '-pkeyopt',
                        'ec_paramgen_curve:P-256', '-out', self.path('ec.pem')], check=True)
        with self.assertRaisesRegex(EWaptCryptoException, 'only RSA'):
            SSLPrivateKey(self.path('ec.pem'))
        with self.assertRaisesRegex(EWaptCryptoException, 'no private key'):
            SSLPrivateKey(golden('leaf.crt'))
        with self.assertRaisesRegex(EWaptCryptoException, 'cannot read'):
            SSLPrivateKey(self.path('missing.pem'))


class Certificates(FolderTest):
    def test_a_certificate_says_who_and_until_when(self):
        certificate = SSLCertificate(golden('leaf.crt'))
        self.assertEqual((certificate.cn, certificate.issuer_cn), ('peer-leaf', 'peer-ca'))
        self.assertLess(certificate.not_before, certificate.not_after)
        self.assertEqual(SSLCertificate(crt_string=certificate.as_pem()).fingerprint,
                         certificate.fingerprint)
        self.assertEqual(len(certificate.fingerprint), 64)

    def test_a_file_that_is_no_certificate_is_named(self):
        path = self.write('x.crt', 'nonsense')
        with self.assertRaisesRegex(EWaptCryptoException, 'x.crt holds no certificate'):
            SSLCertificate(path)

    def test_cut_data_is_refused_and_never_read_past_the_end(self):
        with open(golden('leaf.crt'), encoding='ascii') as file:
            der = SSLCertificate(crt_string=file.read())._der
        for length in range(0, len(der), 7):
            with self.assertRaises((DerError, EWaptCryptoException)):
                read(der[:length])
        for data in (b'\x30\x80', b'\x30\x85\0\0\0\0\1', b'\x30'):
            with self.assertRaises(DerError):
                read(data)


if __name__ == '__main__':
    unittest.main()
