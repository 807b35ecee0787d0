"""Control files, texts, dates and facts."""

import datetime
import unittest
import zipfile

from support import FolderTest

from setuphelpers import (context, dates, errors, facts, hardware, linux, network_facts, text,
                          users)
from setuphelpers.package import CONTROL_ATTRIBUTES, PackageEntry, parse_control


class ControlFile(FolderTest):
    TEXT = ('package           : demo\nversion           : 1.2.3-4\n'
            'description       : first line\n second: line\nDepends: a,b(>=1)\n'
            'installed_size    : 0012\nfoo               : bar\n\npackage : other\n')

    def entry(self):
        return PackageEntry().load_control_from_text(self.TEXT)

    def test_attributes_and_items_are_the_same(self):
        entry = self.entry()
        entry.version = '2-0'
        entry['maturity'] = 'DEV'
        self.assertEqual((entry['version'], entry.maturity), ('2-0', 'DEV'))
        self.assertEqual((entry.description, entry.depends), ('first line\nsecond: line',
                                                             'a,b(>=1)'))
        self.assertEqual((entry.installed_size, entry.foo, entry.homepage), (12, 'bar', ''))
        self.assertIn('version', entry)
        self.assertEqual(entry.get('nope', 1), 1)
        with self.assertRaisesRegex(AttributeError, 'no attribute nope'):
            entry.nope

    def test_the_written_form_reads_back(self):
        written = self.entry().ascontrol()
        lines = written.split('\n')
        self.assertEqual(lines[0], 'package           : demo')
        self.assertIn('homepage          : ', lines)
        self.assertFalse(any(line.startswith('signature  ') for line in lines))
        self.assertFalse(written.endswith('\n'))
        self.assertEqual([line for line in lines if line.startswith(' ')], [' second: line'])
        again = PackageEntry().load_control_from_text(written)
        self.assertEqual(again.as_dict(), self.entry().as_dict())

    def test_the_order_is_that_of_the_format(self):
        lines = PackageEntry('a', '1').ascontrol().split('\n')
        names = [line.split(':')[0].strip() for line in lines]
        self.assertEqual(names, [name for name in CONTROL_ATTRIBUTES if name != 'signature'])
        self.assertEqual(len(names), 42)

    def test_a_line_without_colon_is_refused_with_its_number(self):
        with self.assertRaisesRegex(errors.EWaptBadControl, 'line 2 '):
            parse_control('package : a\nnonsense\n')

    def test_a_package_is_read_from_folder_and_file(self):
        self.write('src/WAPT/control', self.TEXT)
        entry = PackageEntry().load_control_from_wapt(self.path('src'))
        self.assertEqual(entry.package, 'demo')
        entry.version = '9-0'
        self.assertTrue(entry.save_control_to_wapt())
        self.assertFalse(entry.save_control_to_wapt())
        self.assertIn('version           : 9-0\n', self.read('src/WAPT/control'))
        with zipfile.ZipFile(self.path('x.wapt'), 'w') as archive:
            archive.writestr('WAPT/control', self.TEXT)
        self.assertEqual(PackageEntry().load_control_from_wapt(self.path('x.wapt')).package,
                         'demo')
        with self.assertRaises(errors.EWaptNotAPackage):
            PackageEntry().load_control_from_wapt(self.write('y.wapt', 'no zip'))

    def test_versions_are_split_set_and_counted_up(self):
        entry = self.entry()
        self.assertEqual(entry.get_software_version(), '1.2.3')
        entry.set_software_version('1.2.3')
        self.assertEqual(entry.version, '1.2.3-4')
        self.assertEqual(entry.inc_build(), '1.2.3-5')
        entry.set_software_version('1.3')
        self.assertEqual(entry.version, '1.3-0')
        self.assertEqual(PackageEntry('a', '1').inc_build(), '1-0')
        self.assertEqual(PackageEntry('a', '1-rc9.b').inc_build(), '1-rc10.b')

    def test_requirement_order_and_file_name(self):
        entry = PackageEntry('a', '1.10-0', architecture='x64', maturity='DEV', locale='fr,en')
        self.assertEqual(entry.asrequirement(), 'a(=1.10-0)')
        self.assertEqual(entry.make_package_filename(), 'a_1.10-0_x64_DEV_fr-en.wapt')
        self.assertGreater(entry, PackageEntry('a', '1.9-0'))


class Conversions(unittest.TestCase):
    def test_lists(self):
        self.assertEqual(text.ensure_list('a, b,,c'), ['a', 'b', 'c'])
        self.assertEqual(text.ensure_list(None), [])
        self.assertIsNone(text.ensure_list(None, allow_none=True))
        self.assertEqual(text.ensure_list(('a',)), ['a'])
        self.assertEqual(text.ensure_list(3), [3])

    def test_texts(self):
        self.assertEqual(text.ensure_unicode('é'.encode()), 'é')
        self.assertEqual(text.ensure_unicode(b'\xe9'), 'é')
        self.assertEqual(text.ensure_unicode(ValueError('x')), 'x')
        self.assertIsNone(text.ensure_unicode(None))

    def test_dates(self):
        self.assertRegex(dates.currentdate(), r'^\d{8}$')
        self.assertRegex(dates.currentdatetime(), r'^\d{8}-\d{6}$')
        moment = datetime.datetime(2024, 2, 3, 4, 5, 6, 789)
        self.assertEqual(dates.isodate2datetime(dates.datetime2isodate(moment)),
                         moment.replace(microsecond=0))
        self.assertEqual(dates.httpdatetime2isodate('Sat, 03 Feb 2024 04:05:06 GMT'),
                         '2024-02-03T04:05:06+00:00')
        self.assertEqual(dates.httpdatetime2isodate('nonsense'), '')
        self.assertEqual(dates.time2display(moment), '2024-02-03 04:05')
        self.assertEqual(dates.hours_minutes(1.25), '01:15')


class Machine(FolderTest):
    def test_os_release_is_read_with_quotes(self):
        found = linux.parse_os_release('NAME="A \\"B\\""\nID=debian\n# no\nID_LIKE=\'x y\'\n')
        self.assertEqual(found, {'NAME': 'A "B"', 'ID': 'debian', 'ID_LIKE': 'x y'})

    def test_dmidecode_is_read_into_sections(self):
        found = hardware.parse_dmidecode('# x\nSystem Information\n\tSerial Number: A:1\n'
                                         '\tWake-up Type: x\n\nBIOS Information\n\tVendor: V\n'
                                         '\tCharacteristics:\n\t\tPCI\n')
        self.assertEqual(found['System_Information']['Serial_Number'], 'A:1')
        self.assertEqual(found['BIOS_Information']['Vendor'], 'V')

    def test_routes_and_name_servers_are_read(self):
        route = ('Iface\tDestination\tGateway\tFlags\neth0\t00000000\t0102A8C0\t0003\n'
                 'eth0\t0002A8C0\t00000000\t0001\n')
        self.assertEqual(network_facts.parse_routes(route), ['192.168.2.1'])
        self.assertEqual(network_facts.parse_resolv_conf('# x\nnameserver 1.1.1.1\n'
                                                         'search a\nnameserver ::1\n'),
                         ['1.1.1.1', '::1'])

    def test_facts_of_this_machine_have_their_types(self):
        self.assertFalse(facts.iswin64())
        self.assertIsInstance(facts.isLinux64(), bool)
        self.assertTrue(facts.get_hostname())
        self.assertTrue(facts.get_current_user())
        self.assertGreater(hardware.memory_status()['total'], 0)
        self.assertIsInstance(hardware.dmi_info(), dict)
        self.assertIn('root', users.local_users())
        self.assertIn('root', users.local_admins())

    def test_the_language_of_the_job_comes_first(self):
        context.language = 'fr'
        self.assertEqual(facts.get_language(), 'fr')
        context.language = None
        self.assertRegex(facts.get_language(), '^[a-z]{2}$')

    def test_names_that_look_like_options_are_refused(self):
        for call in (lambda: linux._names('-o x'), lambda: linux._names(''),
                     lambda: users.create_user('-x'), lambda: users.add_user_to_group('a', '')):
            with self.assertRaises(errors.EWaptInstallError):
                call()

    def test_package_names_come_as_text_or_list(self):
        for given in ('a b', 'a,b', ['a', 'b'], ['a b']):
            self.assertEqual(linux._names(given), 'a b')


if __name__ == '__main__':
    unittest.main()
