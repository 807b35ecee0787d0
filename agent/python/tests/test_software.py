"""Installed software, uninstall commands and installers; the registry is a made-up one."""

import unittest
from unittest import mock

from support import FolderTest

from setuphelpers import (context, environment, installers, msi, software, tasks, uninstall,
                          windows_registry)
from setuphelpers.errors import EWaptInstallError

GUID = '{90120000-0010-0409-0000-0000000FF1CE}'


class UninstallCommand(unittest.TestCase):
    def derived(self, key='k', **values):
        return uninstall.silent_uninstall_command(key, values)

    def test_the_quiet_command_comes_first(self):
        self.assertEqual(self.derived(QuietUninstallString=r'"C:\a b\u.exe" /quiet',
                                      UninstallString='other.exe'), r'"C:\a b\u.exe" /quiet')

    def test_inno_quiet_command_becomes_very_silent(self):
        self.assertEqual(self.derived(QuietUninstallString=r'"C:\P F\unins000.exe" /SILENT'),
                         r'"C:\P F\unins000.exe" /VERYSILENT')

    def test_msiexec_uninstalls_instead_of_modifying(self):
        for command in ('MsiExec.exe /I' + GUID, 'MsiExec.exe /X' + GUID):
            self.assertEqual(self.derived(UninstallString=command),
                             'MsiExec.exe /X%s /q /norestart' % GUID)

    def test_msiexec_that_is_already_quiet_is_not_told_twice(self):
        self.assertEqual(self.derived(UninstallString='msiexec /x %s /qn' % GUID),
                         'msiexec /x %s /qn /norestart' % GUID)

    def test_makers_are_told_by_the_name_of_their_program(self):
        cases = {
            r'"C:\P F\App\unins000.exe"':
                r'"C:\P F\App\unins000.exe" /VERYSILENT /SUPPRESSMSGBOXES /NORESTART',
            r'C:\Windows\$NtUninstallKB1$\spuninst\spuninst.exe':
                r'C:\Windows\$NtUninstallKB1$\spuninst\spuninst.exe /quiet /norestart',
            r'C:\Program Files\7-Zip\Uninstall.exe': r'"C:\Program Files\7-Zip\Uninstall.exe" /S',
            r'"C:\F F\uninstall\helper.exe"': r'"C:\F F\uninstall\helper.exe" /S',
            r'C:\App\uninst.exe /S': r'C:\App\uninst.exe /S',
            r'C:\My App\remove.exe -all': r'"C:\My App\remove.exe" -all',
        }
        for command, expected in cases.items():
            self.assertEqual(self.derived(UninstallString=command), expected)

    def test_a_windows_installer_product_without_command_is_removed_by_its_key(self):
        self.assertEqual(self.derived(GUID, WindowsInstaller=1),
                         'msiexec /quiet /norestart /X ' + GUID)

    def test_without_any_command_the_key_is_named(self):
        with self.assertRaisesRegex(EWaptInstallError, 'k names no uninstall command'):
            self.derived()


class MadeUpRegistry(FolderTest):
    """A Windows machine whose uninstall registry is a dictionary {(key, view): values}."""

    def setUp(self):
        super().setUp()
        context.is_windows = True
        self.registry = {}
        for module in (software, uninstall):
            for name, function in (('read_values', self.values), ('read_subkeys', self.keys)):
                if hasattr(module, name):
                    patch = mock.patch.object(module, name, function)
                    patch.start()
                    self.addCleanup(patch.stop)

    def values(self, root, path, view):
        return self.registry.get((path.rsplit('\\', 1)[1], view))

    def keys(self, root, path, view):
        return [key for key, key_view in self.registry if key_view == view]

    def add(self, key, view=windows_registry.KEY_WOW64_64KEY, **values):
        self.registry[(key, view)] = values


class InstalledSoftware(MadeUpRegistry):
    def setUp(self):
        super().setUp()
        self.add('7-Zip', DisplayName='7-Zip 22.01 (x64)', DisplayVersion='22.01',
                 UninstallString=r'"C:\P F\7-Zip\Uninstall.exe"', Publisher='Igor',
                 InstallLocation='"C:\\P F\\7-Zip\\"')
        self.add('Old', windows_registry.KEY_WOW64_32KEY, DisplayName='Old 7-Zip tool',
                 DisplayVersion='1.0', UninstallString=r'C:\old\uninst.exe')
        self.add('Nameless')

    def test_both_registry_views_are_listed(self):
        self.assertEqual([(entry['key'], entry['win64'])
                          for entry in software.installed_softwares()],
                         [('7-Zip', True), ('Old', False)])

    def test_entries_are_chosen_by_words_key_or_name_pattern(self):
        def found(*args, **kwargs):
            return [entry['key'] for entry in software.installed_softwares(*args, **kwargs)]
        self.assertEqual(found('7-zip igor'), ['7-Zip'])
        self.assertEqual(found(['7-zip', 'tool']), ['Old'])
        self.assertEqual(found(uninstallkey='old'), ['Old'])
        self.assertEqual(found(uninstallkey='Nameless'), ['Nameless'])
        self.assertEqual(found(name='^7-Zip'), ['7-Zip'])
        self.assertEqual(found(name='.*zip.*TOOL'), ['Old'])

    def test_a_machine_with_one_view_lists_nothing_twice(self):
        self.add('7-Zip', windows_registry.KEY_WOW64_32KEY,
                 **self.registry[('7-Zip', windows_registry.KEY_WOW64_64KEY)])
        self.assertEqual(len(software.installed_softwares(name='^7-Zip')), 1)

    def test_commands_and_folders_come_from_either_view(self):
        self.assertEqual(uninstall.uninstall_cmd('Old'), r'C:\old\uninst.exe /S')
        self.assertEqual(software.install_location('7-Zip'), 'C:\\P F\\7-Zip\\')
        self.assertTrue(software.uninstall_key_exists('Old'))
        with self.assertRaisesRegex(EWaptInstallError, 'absent is not in the registry'):
            uninstall.uninstall_cmd('absent')

    def test_need_install_weighs_presence_version_and_force(self):
        self.assertTrue(software.need_install('absent'))
        self.assertFalse(software.need_install('7-Zip'))
        self.assertFalse(software.need_install('7-Zip', min_version='22.01'))
        self.assertTrue(software.need_install('7-Zip', min_version='22.02'))
        self.assertTrue(software.need_install('7-Zip', force=True))
        self.assertFalse(software.need_install(name='^7-Zip', min_version='19'))
        self.assertFalse(software.need_install('7-Zip', min_version='23',
                                               get_version=lambda entry: '24'))

    def test_waiting_ends_when_the_key_is_gone_or_the_time_is_over(self):
        self.assertTrue(software.wait_uninstallkey_absent('absent'))
        with self.assertRaisesRegex(EWaptInstallError, 'still there'):
            software.wait_uninstallkey_absent('Old', 0)


class Installers(MadeUpRegistry):
    def setUp(self):
        super().setUp()
        self.commands, self.killed, self.installs = [], [], {}
        for name, replacement in (('run', self.run_command),
                                  ('killalltasks', lambda names: self.killed.extend(names)),
                                  ('get_msi_properties', lambda path: {
                                      'ProductCode': GUID, 'ProductVersion': '2.0',
                                      'ProductName': 'Tool'}),
                                  ('_KEY_WAIT_SECS', 0)):
            patch = mock.patch.object(installers, name, replacement)
            patch.start()
            self.addCleanup(patch.stop)
        context.namespace = {'uninstallkey': []}

    @property
    def recorded(self):
        return context.namespace['uninstallkey']

    def run_command(self, command, **options):
        self.commands.append(command)
        for key, values in self.installs.items():
            self.add(key, **values)

    def test_an_msi_is_installed_checked_and_recorded(self):
        path = self.write('a b.msi')
        self.installs[GUID] = {'DisplayName': 'Tool', 'DisplayVersion': '2.0'}
        installers.install_msi_if_needed(path, properties={'X': 'a "b"', 'Y': 1})
        self.assertEqual(self.commands,
                         ['msiexec /norestart /q /i "%s" X="a ""b""" Y="1"' % path])
        self.assertEqual(self.recorded, [GUID])

    def test_an_installed_version_is_left_alone_but_recorded(self):
        self.add(GUID, DisplayName='Tool', DisplayVersion='2.1')
        installers.install_msi_if_needed(self.write('a.msi'))
        self.assertEqual((self.commands, self.recorded), ([], [GUID]))

    def test_force_of_the_job_installs_again(self):
        context.force = True
        self.add(GUID, DisplayName='Tool', DisplayVersion='2.1')
        installers.install_msi_if_needed(self.write('a.msi'))
        self.assertEqual(len(self.commands), 1)

    def test_an_exe_gets_its_switches_and_ends_the_impacted_processes(self):
        context.control = mock.Mock(impacted_process='tool.exe, helper')
        path = self.write('setup.exe', b'MZ ... Nullsoft.NSIS.exehead ...')
        self.installs['Tool'] = {'DisplayName': 'Tool', 'DisplayVersion': '2.0'}
        installers.install_exe_if_needed(path, key='Tool', min_version='2.0')
        self.assertEqual(self.commands, ['"%s" /S' % path])
        self.assertEqual(self.killed, ['tool.exe', 'helper'])
        self.assertEqual(self.recorded, ['Tool'])

    def test_switches_and_key_may_stand_second_and_third(self):
        path = self.write('setup.exe', b'MZ')
        self.installs['Tool'] = {'DisplayName': 'Tool'}
        installers.install_exe_if_needed(path, '/go', 'Tool', killbefore='tool.exe')
        self.assertEqual((self.commands, self.killed), (['"%s" /go' % path], ['tool.exe']))

    def test_a_missing_key_names_those_that_appeared(self):
        self.installs['Tool_is1'] = {'DisplayName': 'Tool'}
        with self.assertRaisesRegex(EWaptInstallError, 'Tool is not there; new keys: Tool_is1'):
            installers.install_exe_if_needed(self.write('s.exe', b'MZ'), key='Tool')
        self.assertEqual(self.recorded, [])

    def test_a_version_that_is_still_old_is_an_error(self):
        self.installs['Tool'] = {'DisplayName': 'Tool', 'DisplayVersion': '1.9'}
        with self.assertRaisesRegex(EWaptInstallError, 'has version 1.9, expected at least 2.0'):
            installers.install_exe_if_needed(self.write('s.exe', b'MZ'), key='Tool',
                                             min_version='2.0')

    def test_an_installer_that_is_not_in_the_package_is_named(self):
        with self.assertRaisesRegex(EWaptInstallError, 'absent.exe is not in the package'):
            installers.install_exe_if_needed('absent.exe')


class LinuxSoftware(unittest.TestCase):
    def test_dpkg_lists_only_what_is_installed(self):
        text = 'ii \tbash\t5.2.15-2+b2\tX <x@example.org>\nrc \told\t1\tX\nhi \theld\t2\tY\n'
        self.assertEqual([(entry['key'], entry['version']) for entry in
                          software.parse_dpkg(text)], [('bash', '5.2.15-2+b2'), ('held', '2')])

    def test_rpm_lists_programs_and_not_keys(self):
        text = 'bash\t5.1-9.el9\tRocky\t1700000000\ngpg-pubkey\t1-2\t(none)\t1\nx\t1-1\t(none)\t\n'
        found = list(software.parse_rpm(text))
        self.assertEqual([entry['key'] for entry in found], ['bash', 'x'])
        self.assertTrue(found[0]['install_date'].startswith('202311'))
        self.assertEqual(found[1]['publisher'], '')

    def test_this_machine_lists_its_own_software(self):
        try:
            found = software.installed_softwares()
        except EWaptInstallError:
            self.skipTest('neither dpkg-query nor rpm is on this machine')
        first = found[0]['key']
        self.assertTrue(software.uninstall_key_exists(first))
        self.assertIn(first, uninstall.uninstall_cmd(first))
        self.assertFalse(software.uninstall_key_exists('no-such-package-at-all'))


class PureParts(unittest.TestCase):
    def test_search_paths_are_compared_without_case_quotes_and_end(self):
        self.assertEqual(environment.path_with(r'C:\a;C:\b', 'c:\\B\\'), r'C:\a;C:\b')
        self.assertEqual(environment.path_with(r'C:\a;', r'C:\c'), r'C:\a;C:\c')
        self.assertEqual(environment.path_without('C:\\a;"C:\\B\\";C:\\c', r'c:\b'), r'C:\a;C:\c')

    def test_the_msi_property_export_is_read(self):
        text = 'Property\tValue\r\ns72\tl0\r\nProperty\tProperty\r\nProductName\tA\tB\r\nX\t1\r\n'
        self.assertEqual(msi.parse_property_export(text), {'ProductName': 'A\tB', 'X': '1'})

    def test_a_task_escapes_its_command(self):
        text = tasks.task_xml('a&b.exe', '<x>', '', 10, retry_count=3)
        self.assertIn('<Command>a&amp;b.exe</Command><Arguments>&lt;x&gt;</Arguments>', text)
        self.assertIn('<Count>3</Count>', text)

    def test_registry_types_follow_the_value(self):
        types = [(1, 'REG_DWORD'), (True, 'REG_DWORD'), (1 << 40, 'REG_QWORD'), ('x', 'REG_SZ'),
                 (b'x', 'REG_BINARY'), (['a'], 'REG_MULTI_SZ')]
        for value, name in types:
            self.assertEqual(windows_registry.value_type(value),
                             getattr(windows_registry, name), value)


if __name__ == '__main__':
    unittest.main()
