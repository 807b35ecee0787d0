"""Helpers that ask Windows itself: registry, software, shortcuts, services, programs, folders."""

import os
import subprocess
import sys
import unittest

from support import FolderTest, PYTHON_DIR

from setuphelpers import *

MSI_FOLDER = 'Z:' + os.environ.get('MUSTER_TEST_MSI_FOLDER', '').replace('/', '\\')
FIRST, SECOND = (os.path.join(MSI_FOLDER, name) for name in ('product-1.msi', 'product-2.msi'))
FIRST_CODE = '{2C1F7A70-3F0E-4C0E-9A3F-52D1C1B0A123}'
KEY = r'SOFTWARE\Muster Tests'


class Registry(unittest.TestCase):
    def setUp(self):
        self.addCleanup(registry_deletekey, HKEY_LOCAL_MACHINE, 'SOFTWARE', 'Muster Tests', True)

    def test_values_come_back_with_their_types(self):
        for name, value, kind in (('text', 'é €', REG_SZ), ('number', 7, REG_DWORD),
                                  ('large', 1 << 40, REG_QWORD), ('bytes', b'\0\1', REG_BINARY),
                                  ('list', ['a', 'b'], REG_MULTI_SZ)):
            registry_set(HKEY_LOCAL_MACHINE, KEY, name, value)
            self.assertEqual(registry_readstring(HKEY_LOCAL_MACHINE, KEY, name), value)
            with reg_openkey_noredir(HKEY_LOCAL_MACHINE, KEY) as key:
                self.assertIn((name, value, kind), list(reg_enum_values(key)))
        registry_set(HKEY_LOCAL_MACHINE, KEY, 'path', '%TEMP%', REG_EXPAND_SZ)
        registry_setstring(HKEY_LOCAL_MACHINE, KEY, 'digits', '1')
        self.assertEqual(registry_readstring(HKEY_LOCAL_MACHINE, KEY, 'digits'), '1')

    def test_what_is_missing_gives_the_default(self):
        self.assertEqual(registry_readstring(HKEY_LOCAL_MACHINE, KEY + r'\no', 'x', 'd'), 'd')
        registry_set(HKEY_LOCAL_MACHINE, KEY, 'a', '1')
        self.assertEqual(registry_readstring(HKEY_LOCAL_MACHINE, KEY, 'x'), '')
        self.assertFalse(registry_delete(HKEY_LOCAL_MACHINE, KEY, 'x'))
        self.assertTrue(registry_delete(HKEY_LOCAL_MACHINE, KEY, 'a'))
        self.assertFalse(reg_value_exists(HKEY_LOCAL_MACHINE, KEY, 'a'))

    def test_keys_are_made_listed_and_deleted_with_all_below(self):
        with reg_openkey_noredir(HKEY_LOCAL_MACHINE, KEY + r'\a\b', KEY_READ | KEY_WRITE,
                                 create_if_missing=True) as key:
            reg_setvalue(key, 'n', 'v')
            self.assertEqual(reg_getvalue(key, 'n'), 'v')
            self.assertTrue(reg_delvalue(key, 'n'))
        self.assertTrue(reg_key_exists(HKEY_LOCAL_MACHINE, KEY + r'\a\b'))
        with reg_openkey_noredir(HKEY_LOCAL_MACHINE, KEY) as key:
            self.assertEqual(list(reg_enum_subkeys(key)), ['a'])
        with self.assertRaises(EWaptInstallError):
            registry_deletekey(HKEY_LOCAL_MACHINE, KEY, 'a')
        self.assertTrue(registry_deletekey(HKEY_LOCAL_MACHINE, KEY, 'a', force=True))
        self.assertFalse(reg_key_exists(HKEY_LOCAL_MACHINE, KEY + r'\a'))

    def test_the_two_views_are_apart(self):
        with reg_openkey_noredir(HKEY_LOCAL_MACHINE, KEY, KEY_WRITE | KEY_WOW64_32KEY,
                                 create_if_missing=True) as key:
            reg_setvalue(key, 'half', 'lower')
        self.assertEqual(registry_readstring(HKEY_LOCAL_MACHINE, KEY, 'half', None), None)
        with reg_openkey_noredir(HKEY_LOCAL_MACHINE, KEY, KEY_READ | KEY_WOW64_32KEY) as key:
            self.assertEqual(reg_getvalue(key, 'half'), 'lower')

    def test_the_search_path_is_edited(self):
        before = add_to_system_path(r'C:\Muster Tests')
        self.assertIn(r'C:\Muster Tests', before.split(';'))
        self.assertEqual(add_to_system_path('c:\\muster tests\\'), before)
        after = remove_from_system_path(r'C:\Muster Tests')
        self.assertNotIn(r'C:\Muster Tests', after)
        set_environ_variable('MUSTER_TEST', 'x')
        self.assertTrue(unset_environ_variable('MUSTER_TEST'))

    def test_a_file_type_opens_with_its_program(self):
        register_ext('MusterTest', '.mustertest', '"C:\\p.exe" "%1"', icon='C:\\p.exe,0')
        self.addCleanup(registry_deletekey, HKEY_CLASSES_ROOT, '', '.mustertest', True)
        self.addCleanup(registry_deletekey, HKEY_CLASSES_ROOT, '', 'MusterTest.mustertest', True)
        kind = registry_readstring(HKEY_CLASSES_ROOT, '.mustertest', '')
        self.assertEqual(registry_readstring(
            HKEY_CLASSES_ROOT, kind + r'\shell\open\command', ''), '"C:\\p.exe" "%1"')

    def test_shutdown_commands_are_added_once_and_taken_back(self):
        self.assertEqual(add_shutdown_script(r'C:\one.cmd', '/q'), add_shutdown_script(
            r'C:\one.cmd', '/q'))
        self.assertTrue(remove_shutdown_script(r'C:\one.cmd', '/q'))
        self.assertFalse(remove_shutdown_script(r'C:\one.cmd', '/q'))


class Software(FolderTest):
    def test_the_properties_of_an_msi_are_read(self):
        found = get_msi_properties(FIRST)
        self.assertEqual((found['ProductName'], found['ProductVersion'], found['ProductCode'],
                          found['Manufacturer']),
                         ('Muster Test Product', '1.2.3', FIRST_CODE, 'Muster Tests'))
        self.assertEqual(get_version_from_binary(SECOND), '1.3.0')
        self.assertEqual(getproductprops(FIRST)['simplename'], 'muster-test-product')

    def test_an_msi_is_installed_once_upgraded_and_removed(self):
        keys = []
        install_msi_if_needed(FIRST, uninstallkeylist=keys)
        self.addCleanup(self._remove_all)
        self.assertEqual(keys, [FIRST_CODE])
        entry, = installed_softwares(name='^Muster Test Product')
        self.assertEqual((entry['key'], entry['version'], entry['publisher']),
                         (FIRST_CODE, '1.2.3', 'Muster Tests'))
        self.assertTrue(isfile(makepath(programfiles64, 'Muster Test Product', 'readme.txt')))
        self.assertFalse(need_install(FIRST_CODE, min_version='1.2.3'))
        with self.assertLogs('setuphelpers', 'INFO') as log:
            install_msi_if_needed(FIRST, uninstallkeylist=keys)
        self.assertIn('already installed', ''.join(log.output))
        install_msi_if_needed(SECOND, remove_old_version=True, uninstallkeylist=keys)
        self.assertEqual([entry['version'] for entry in
                          installed_softwares(name='^Muster Test Product')], ['1.3.0'])
        run(uninstall_cmd(keys[-1]), accept_returncodes=[0, 1605, 3010])
        wait_uninstallkey_absent(keys[-1], 10)
        self.assertFalse(isfile(makepath(programfiles64, 'Muster Test Product', 'readme.txt')))

    def _remove_all(self):
        for entry in installed_softwares(name='^Muster Test Product'):
            run_notfatal(uninstall_cmd(entry['key']))

    def test_a_version_that_does_not_come_is_an_error(self):
        self.addCleanup(self._remove_all)
        with self.assertRaisesRegex(EWaptInstallError, 'expected at least 9'):
            install_msi_if_needed(FIRST, min_version='9', uninstallkeylist=[])

    def test_an_entry_for_a_portable_program_is_written_and_taken_away(self):
        register_uninstall('MusterPortable', r'C:\p\remove.exe', win64app=True,
                           display_name='Muster Portable', display_version='2.0',
                           publisher='Tests', install_location=r'C:\p')
        self.addCleanup(unregister_uninstall, 'MusterPortable', True)
        entry, = installed_softwares(uninstallkey='musterportable')
        self.assertEqual((entry['name'], entry['version'], entry['win64']),
                         ('Muster Portable', '2.0', True))
        self.assertEqual(install_location('MusterPortable'), r'C:\p')
        self.assertTrue(uninstall_key_exists('MusterPortable'))
        unregister_uninstall('MusterPortable', win64app=True)
        self.assertFalse(uninstall_key_exists('MusterPortable'))
        register_uninstall('Muster32', r'C:\q\unins000.exe', win64app=False)
        self.addCleanup(unregister_uninstall, 'Muster32')
        self.assertEqual(uninstall_cmd('Muster32'),
                         r'C:\q\unins000.exe /VERYSILENT /SUPPRESSMSGBOXES /NORESTART')

    def test_an_exe_that_leaves_no_key_is_an_error_that_says_so(self):
        program = os.path.join(system32(), 'cmd.exe')
        with self.assertRaisesRegex(EWaptInstallError, 'MusterNever is not there'):
            from setuphelpers import installers
            installers._KEY_WAIT_SECS, before = 0, installers._KEY_WAIT_SECS
            self.addCleanup(setattr, installers, '_KEY_WAIT_SECS', before)
            install_exe_if_needed(program, '/c exit 0', 'MusterNever', '1.0',
                                  uninstallkeylist=[])


class Files(FolderTest):
    def test_the_version_of_a_program_is_read(self):
        found = get_file_properties(sys.executable)
        self.assertEqual(found['CompanyName'], 'Python Software Foundation')
        self.assertTrue(found['ProductVersion'].startswith('3.12'))
        self.assertEqual(Version(get_version_from_binary(sys.executable), 2), Version('3.12', 2))

    def test_shortcuts_are_written_read_and_removed(self):
        path = create_shortcut(self.path('one.lnk'), sys.executable, '-V "a b"', 'C:\\',
                               sys.executable)
        found = get_shortcut_properties(path)
        self.assertEqual(os.path.normcase(found['TargetPath']), os.path.normcase(sys.executable))
        self.assertEqual((found['Arguments'], found['WorkingDirectory']), ('-V "a b"', 'C:\\'))
        self.assertTrue(found['IconLocation'].lower().endswith('python.exe,0'))
        create_desktop_shortcut('Muster é', sys.executable)
        self.assertTrue(isfile(makepath(common_desktop(), 'Muster é.lnk')))
        remove_desktop_shortcut('Muster é')
        self.assertFalse(isfile(makepath(common_desktop(), 'Muster é.lnk')))
        create_programs_menu_shortcut('Muster', sys.executable, folder='Muster Tests')
        self.assertTrue(isfile(makepath(programs(1), 'Muster Tests', 'Muster.lnk')))
        remove_programs_menu_folder('Muster Tests')
        create_user_desktop_shortcut('Site', 'https://example.org/')
        self.assertTrue(isfile(makepath(user_desktop(), 'Site.url')))
        remove_user_desktop_shortcut('Site')
        self.assertFalse(isfile(makepath(user_desktop(), 'Site.url')))

    def test_files_are_hidden_and_shown(self):
        path = self.write('a.txt')
        set_file_hidden(path)
        self.assertTrue(os.stat(path).st_file_attributes & 2)
        set_file_visible(path)
        self.assertFalse(os.stat(path).st_file_attributes & 2)

    def test_read_only_files_and_trees_go(self):
        path = self.write('tree/a.txt')
        os.chmod(path, 0o400)
        remove_file(path)
        path = self.write('tree/b.txt')
        os.chmod(path, 0o400)
        remove_tree(self.path('tree'))
        self.assertFalse(isdir(self.path('tree')))

    def test_a_file_is_replaced_when_windows_starts(self):
        replace_at_next_reboot(tmp_filename=self.write('new.txt'),
                               target_filename=self.write('old.txt'))
        delete_at_next_reboot(self.write('gone.txt'))

    def test_folders_have_their_places(self):
        self.assertEqual(makepath('C:', 'a'), r'C:\a')
        self.assertEqual(makepath(programfiles, 'x'), os.path.join(programfiles(), 'x'))
        for folder in (programfiles, programfiles64, system32, user_appdata, user_local_appdata,
                       application_data, common_application_data, my_documents, user_desktop,
                       user_home_directory):
            self.assertTrue(isdir(folder()), folder.__name__)
        self.assertEqual(systemdrive(), 'C:')
        self.assertTrue(programfiles32().endswith('(x86)'))


class Machine(unittest.TestCase):
    def test_the_system_is_described(self):
        self.assertTrue(iswin64())
        self.assertTrue(is64())
        self.assertGreaterEqual(windows_version(), Version('6.1'))
        self.assertLess(windows_version(), Version('99'))
        self.assertEqual(get_os_version(), str(windows_version()))
        self.assertEqual(len(get_language()), 2)
        self.assertTrue(get_computername() and get_hostname() and get_current_user())
        self.assertGreater(memory_status()['total'], 1 << 20)
        self.assertIn('C:', local_drives())
        self.assertIn(running_on_ac(), (True, False))
        battery_percent(), battery_lifetime()
        self.assertIsInstance(running_as_admin(), bool)
        self.assertIsInstance(running_as_system(), bool)
        self.assertIsInstance(pending_reboot_reasons(), list)
        self.assertIsInstance(uac_enabled(), bool)

    def test_services_are_asked_and_made(self):
        self.assertFalse(service_installed('NoSuchMusterService'))
        with self.assertRaisesRegex(EWaptInstallError, 'there is no service'):
            service_is_running('NoSuchMusterService')
        run('sc create MusterTestService binPath= C:\\windows\\system32\\cmd.exe start= demand')
        self.assertTrue(service_installed('MusterTestService'))
        self.assertFalse(service_is_running('MusterTestService'))
        self.assertTrue(service_is_stopped('MusterTestService'))
        service_stop('MusterTestService')
        service_delete('MusterTestService')
        self.assertFalse(service_installed('MusterTestService'))

    def test_running_services_are_known(self):
        self.assertTrue(service_installed('RpcSs'))
        self.assertIn(service_is_running('RpcSs'), (True, False))

    def test_processes_are_found_and_ended(self):
        self.assertTrue(isrunning('python.exe'))
        child = subprocess.Popen([os.path.join(system32(), 'ping.exe'), '-n', '600', '127.0.0.1'],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.addCleanup(child.wait)
        self.assertTrue(isrunning('PING'))
        self.assertEqual(killalltasks('ping'), [child.pid])
        self.assertEqual(killalltasks(['']), [])

    def test_commands_give_output_and_code(self):
        output = run('cmd /c echo one& exit /b 3', accept_returncodes=[3])
        self.assertEqual((output.strip(), output.returncode), ('one', 3))
        with self.assertRaises(CommandTimeout):
            run([sys.executable, '-c', 'import time; time.sleep(600)'], timeout=1)
        self.assertEqual(run_notfatal('exit 4').returncode, 4)

    def test_redirection_is_switched_without_harm(self):
        with disable_file_system_redirection():
            self.assertTrue(isfile(makepath(system32(), 'cmd.exe')))

    def test_users_are_known(self):
        self.assertIsInstance(local_users_profiles(), list)


class Runner(FolderTest):
    def test_a_script_with_an_msi_is_installed_audited_and_removed(self):
        import json
        import shutil
        package = self.path('package')
        os.makedirs(package)
        shutil.copy(FIRST, os.path.join(package, 'product.msi'))
        script = ("from setuphelpers import *\nuninstallkey = []\n"
                  "def install():\n    install_msi_if_needed('product.msi')\n"
                  "    print(control.version, installed_softwares('Muster Test Product')[0]['win64'])\n"
                  "def audit():\n    return 'OK'\n")

        def run_hook(hook, keys):
            job = self.write('job.json', json.dumps({
                'nonce': 'N', 'hook': hook, 'setup_py': script, 'package_dir': package,
                'control': {'package': 'demo', 'version': '1.2.3-0'}, 'uninstallkey': keys}))
            # Does not wait for services that Wine starts meanwhile and that hold the pipe.
            text = run([sys.executable, '-I', '-S', '-B',
                        os.path.join(PYTHON_DIR, 'muster_run.py'), job], timeout=60)
            frame = [line for line in text.split('\n') if line.startswith('\x1eN ')][-1]
            return json.loads(frame[3:]), text

        result, log = run_hook('install', None)
        self.assertEqual(result['status'], 'OK', log)
        self.assertEqual(result['uninstallkey'], [FIRST_CODE])
        self.assertIn('1.2.3-0 True', log)
        self.assertEqual(run_hook('audit', [FIRST_CODE])[0]['status'], 'OK')
        self.assertEqual(run_hook('uninstall', [FIRST_CODE])[0]['status'], 'OK')
        self.assertEqual(installed_softwares(uninstallkey=FIRST_CODE), [])
        self.assertEqual(run_hook('audit', [FIRST_CODE])[0]['status'], 'ERROR')


if __name__ == '__main__':
    unittest.main()
