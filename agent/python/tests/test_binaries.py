"""Version resources and kinds of installers, on files made here."""

import struct
import unittest

from support import FolderTest

from setuphelpers import binaries
from setuphelpers.errors import EWaptInstallError


def block(key, value=b'', children=(), kind=1, value_length=None):
    """Makes one block of a version resource."""
    head = key.encode('utf-16-le') + b'\0\0'
    body = b'\0' * (-(6 + len(head)) % 4) + value
    for child in children:
        body += b'\0' * (-(6 + len(head) + len(body)) % 4) + child
    length = len(value) if value_length is None else value_length
    return struct.pack('<HHH', 6 + len(head) + len(body), length, kind) + head + body


def text_block(key, text):
    value = (text + '\0').encode('utf-16-le')
    return block(key, value, value_length=len(text) + 1)


def version_resource(texts, numbers=(1, 2, 3, 4)):
    fixed = struct.pack('<IIIIII', 0xFEEF04BD, 0x10000, numbers[0] << 16 | numbers[1],
                        numbers[2] << 16 | numbers[3], 5 << 16, 6) + b'\0' * 28
    table = block('040904b0', children=[text_block(*item) for item in texts.items()])
    return block('VS_VERSION_INFO', fixed, [
        block('VarFileInfo', children=[block('Translation', b'\x09\x04\xb0\x04', kind=0)]),
        block('StringFileInfo', children=[table])], kind=0)


def portable_executable(resource, wide=True):
    """Makes the smallest program that holds a version resource."""
    def folder(identifier, at, leaf=False):
        return struct.pack('<IIHHHHII', 0, 0, 0, 0, 0, 1, identifier,
                           at if leaf else at | 0x80000000)

    section_address, section_offset = 0x1000, 0x400
    tree = folder(16, 24) + folder(1, 48) + folder(0x409, 72, leaf=True)
    data = struct.pack('<IIII', section_address + 88, len(resource), 0, 0)
    section = tree + data + resource
    optional = struct.pack('<H', 0x20b if wide else 0x10b) + b'\0' * (110 if wide else 94)
    optional += b'\0' * 16 + struct.pack('<II', section_address, len(section)) + b'\0' * 104
    header = b'MZ' + b'\0' * 58 + struct.pack('<I', 64)
    header += b'PE\0\0' + struct.pack('<HHIIIHH', 0x8664, 1, 0, 0, 0, len(optional), 0)
    header += optional + struct.pack('<8sIIII', b'.rsrc', len(section), section_address,
                                     len(section), section_offset) + b'\0' * 16
    return header.ljust(section_offset, b'\0') + section


class VersionResource(FolderTest):
    TEXTS = {'CompanyName': 'Ünïque', 'ProductName': 'Tool', 'FileVersion': '7.8.9',
             'ProductVersion': '7.8', 'Custom': 'x'}

    def test_texts_of_32_and_64_bit_programs_are_read(self):
        for wide in (True, False):
            path = self.write('a.exe', portable_executable(version_resource(self.TEXTS), wide))
            found = binaries.get_file_properties(path)
            self.assertEqual({name: found[name] for name in self.TEXTS}, self.TEXTS)
            self.assertEqual(found['LegalCopyright'], '')

    def test_numbers_stand_in_where_texts_are_missing(self):
        path = self.write('a.exe', portable_executable(version_resource({'Comments': 'x'})))
        found = binaries.get_file_properties(path)
        self.assertEqual((found['FileVersion'], found['ProductVersion']), ('1.2.3.4', '5.0.0.6'))

    def test_files_without_version_give_empty_properties(self):
        for data in (b'', b'MZ', b'not a program' * 100, portable_executable(b'junk'),
                     portable_executable(version_resource(self.TEXTS))[:600]):
            self.assertEqual(binaries.get_file_properties(self.write('a.exe', data))
                             ['CompanyName'], '')

    def test_the_version_of_a_binary_is_one_property(self):
        path = self.write('a.exe', portable_executable(version_resource(self.TEXTS)))
        self.assertEqual(binaries.get_version_from_binary(path), '7.8.9')
        self.assertEqual(binaries.get_version_from_binary(path, 'ProductVersion'), '7.8')
        with self.assertRaisesRegex(EWaptInstallError, 'no property Nope; it has'):
            binaries.get_version_from_binary(path, 'Nope')

    def test_defaults_for_a_package_come_from_the_installer(self):
        path = self.write('Setup.exe', portable_executable(version_resource(self.TEXTS)) +
                          b'Inno Setup Setup Data')
        found = binaries.get_installer_defaults(path)
        self.assertEqual((found['product'], found['version'], found['simplename'],
                          found['silentflags'], found['type']),
                         ('Tool', '7.8', 'tool',
                          '/VERYSILENT /SUPPRESSMSGBOXES /NORESTART', 'ExeInstaller'))


class SilentSwitches(FolderTest):
    def test_makers_are_recognised_by_their_marks(self):
        cases = {
            b'Inno Setup Setup Data': '/VERYSILENT /SUPPRESSMSGBOXES /NORESTART',
            b'Nullsoft.NSIS.exehead': '/S', b'InstallShield': '/s', b'WEXTRACT wextract_cleanup0':
                '/Q', b'sfxcab.exe': '/quiet', b'7zS.sfx': '/s', b'Mozilla 7zS.sfx.exe': '-ms',
            b'Quiet installer': '-q', b'.wixburn': '/quiet /norestart', b'Mozilla/5.0': None,
            'InstallShield'.encode('utf-16-le'): '/s', b'': None}
        for data, flags in cases.items():
            self.assertEqual(binaries.detect_silent_flags(b'..' + data), flags, data)

    def test_the_file_kind_decides_before_the_content(self):
        self.assertEqual(binaries.getsilentflags('x.msi'), '/q /norestart')
        self.assertEqual(binaries.getsilentflags('x.MSU'), '/quiet /norestart')

    def test_unknown_installers_get_a_guess_and_marks_far_inside_do_not_count(self):
        path = self.write('a.exe', b'\0' * 700000 + b'InstallShield')
        self.assertEqual(binaries.getsilentflags(path), '/VERYSILENT')


if __name__ == '__main__':
    unittest.main()
