"""The names that scripts find after the star import."""

import inspect
import unittest

from support import FolderTest

import setuphelpers
from setuphelpers import errors

# The names that published scripts take, most frequent first.
SCRIPT_NAMES = '''
makepath isfile run glob install_exe_if_needed wget isdir installed_softwares remove_file Version
iswin64 programfiles uninstall_cmd killalltasks mkdirs remove_tree os filecopyto error wgets
get_proxies get_proxies_from_wapt_console get_version_from_binary remove_outdated_binaries
wait_uninstallkey_absent get_file_properties service_is_running install_msi_if_needed ensure_list
register_ext user_local_appdata service_installed service_stop inifile_readstring registry_set
HKEY_CURRENT_USER PackageEntry add_to_system_path application_data bs_find_all
remove_from_system_path user_appdata HKEY_LOCAL_MACHINE run_notfatal delete_task task_exists
programfiles32 install_location programfiles64 service_start HKEY_CLASSES_ROOT REG_DWORD
autoremove_apt autoremove_yum dmi_info get_language get_msi_properties install_apt install_dmg
install_yum need_install remove_desktop_shortcut system32 systemdrive type_debian type_redhat
uninstall_apt uninstall_yum unzip update_apt user_home_directory windows_version reg_setvalue
currentdate default_overwrite ensure_unicode isrunning default_oncopy default_skip logger
replace_at_next_reboot inifile_writestring shutil copytree2 create_onetime_task
create_programs_menu_shortcut unregister_uninstall create_daily_task installed_windows_updates
reg_key_exists register_windows_uninstall remove_programs_menu_shortcut EnsureWUAUServRunning
disable_file_system_redirection reg_openkey_noredir run_task shell_launch time KEY_READ KEY_WRITE
create_user_desktop_shortcut currentdatetime get_sha256 hashlib install_pkg platform
register_uninstall registry_readstring setuphelpers
'''.split()


def star_import():
    names = {}
    exec('from setuphelpers import *', names)
    return names


class StarImport(FolderTest):
    def test_every_name_of_published_scripts_is_there(self):
        names = star_import()
        self.assertEqual([name for name in SCRIPT_NAMES if name not in names], [])

    def test_documented_wrong_spellings_work_too(self):
        names = star_import()
        for name, real in (('apt_install', 'install_apt'), ('apt_remove', 'uninstall_apt'),
                           ('dpkg_install', 'install_deb'), ('rpm_install', 'install_rpm')):
            self.assertIs(names[name], names[real])

    def test_no_hook_and_no_context_variable_but_control_and_params_comes_along(self):
        names = star_import()
        for name in ('install', 'uninstall', 'audit', 'session_setup', 'update_package',
                     'uninstallkey', 'uninstallstring', 'required_params', 'WAPT', 'basedir',
                     'force', 'language', 'user', 'usergroups', 'persistent_dir', 'context'):
            self.assertNotIn(name, names)
        self.assertIs(names['control'], setuphelpers.control)

    def test_every_exported_function_says_what_it_does(self):
        silent = [name for name in setuphelpers.__all__
                  if inspect.isfunction(getattr(setuphelpers, name))
                  and not inspect.getdoc(getattr(setuphelpers, name))]
        self.assertEqual(silent, [])

    def test_helpers_of_another_system_refuse_with_name_system_and_advice(self):
        checked = 0
        for name in setuphelpers.__all__:
            helper = getattr(setuphelpers, name)
            needed = getattr(helper, 'needs_system', None)
            if needed in (None, errors.system_name()):
                continue
            checked += 1
            with self.assertRaises(errors.EWaptBadTargetOS) as caught:
                helper()
            message = str(caught.exception)
            self.assertTrue(message.startswith('%s needs %s, this machine runs %s: '
                                               % (helper.__name__, needed,
                                                  errors.system_name())), message)
        self.assertGreater(checked, 80)


if __name__ == '__main__':
    unittest.main()
