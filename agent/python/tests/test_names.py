"""The names that scripts find after the star import."""

import inspect
import re
import unittest

from support import FolderTest

import setuphelpers
from setuphelpers import errors

# The documented helpers with their documented parameters: `name` or `name(parameter, ...)`.
# Parameters that only documentation shortens (`p`, `f`) are given as they are called here.
DOCUMENTED = '''
run(cmd, shell, timeout, accept_returncodes, on_write, pidlist, return_stderr)
run_notfatal(cmd) shell_launch(cmd) isrunning(processname)
killalltasks(process_names, include_children) killtree(pid) find_processes(process_name)
processes_for_file(filepath) file_is_locked(path, timeout) makepath mkdirs(path)
ensure_dir(filename) isfile(location) isdir(location) dir_is_empty(path)
all_files(rootdir, pattern) find_all_files(rootdir, include_patterns, exclude_patterns)
filecopyto(filename, target)
copytree2(src, dst, ignore, onreplace, oncopy, enable_replace_at_reboot)
default_skip default_overwrite default_overwrite_older default_oncopy remove_file(path)
remove_tree(path) unzip(zipfn, target, filenames)
wget(url, target, printhook, proxies, connect_timeout, download_timeout, verify_cert, referer,
user_agent, md5, sha1, sha256, cache_dir, resume, limit_bandwidth)
wgets(url, proxies, verify_cert, referer, user_agent, timeout) get_sha256(afile)
get_disk_free_space(filepath)
inifile_hasoption(inifilename, section, key) inifile_hassection(inifilename, section)
inifile_deleteoption(inifilename, section, key) inifile_deletesection(inifilename, section)
inifile_readstring(inifilename, section, key, default)
inifile_writestring(inifilename, section, key, value)
currentdate() currentdatetime() datetime2isodate(adatetime) isodate2datetime(isodatestr)
httpdatetime2isodate(httpdate) fileisodate(filename) time2display(adatetime)
hours_minutes(hours) dateof(adatetime) ensure_unicode(data) ensure_list(value) error(reason)
Version(version, members_count) PackageEntry control params logger

get_computername() get_fqdn() get_hostname() get_domain() get_domain_info()
get_computer_domain() get_computer_groups() get_current_user() get_loggedinusers()
get_last_logged_on_user() get_language() get_os_version() windows_version(members_count)
iswin64() is64() get_kernel_version() host_info() host_metrics() dmi_info() wmi_info()
wmi_info_basic() networking() get_local_IPs() get_main_ip(host) default_gateway()
get_default_gateways() get_dns_servers() local_drives() memory_status() battery_percent()
battery_lifetime() running_on_ac() uac_enabled() running_as_admin() running_as_system()
registered_organization() pending_reboot_reasons() critical_system_pending_updates()
installed_windows_updates(**queryfilter) wua_agent_version() system_profiler_info()

install_msi_if_needed(msi, min_version, killbefore, accept_returncodes, timeout, properties,
get_version, remove_old_version, force, uninstallkeylist, pidlist, key)
install_exe_if_needed(exe, silentflags, key, min_version, killbefore, accept_returncodes, timeout,
get_version, remove_old_version, force, uninstallkeylist, pidlist)
need_install(key, min_version, force, get_version, name)
remove_previous_version(key, max_version) installed_softwares(keywords, uninstallkey, name)
uninstall_key_exists(uninstallkey) uninstall_cmd(guid) install_location(uninstallkey)
get_app_install_location(uninstallkey) get_app_path(exename)
register_uninstall(uninstallkey, uninstallstring, win64app, quiet_uninstall_string,
install_location, display_name, display_version, publisher)
unregister_uninstall(uninstallkey, win64app) register_windows_uninstall(package_entry)
getsilentflags(installer_path) getproductprops(installer_path)
get_msi_properties(msi_filename) get_file_properties(fname)
get_installer_defaults(installer_path) EnsureWUAUServRunning() run_powershell(cmd, output_format)
run_powershell_from_file(powershell_file) remove_metroapp(package)
replace_at_next_reboot(tmp_filename, target_filename) delete_at_next_reboot(target_filename)
reboot_machine(message, timeout, force, reboot) messagebox showmessage

registry_readstring(root, path, keyname, default) registry_setstring(root, path, keyname, value)
registry_set(root, path, keyname, value, type) registry_delete(root, path, valuename)
registry_deletekey(root, path, keyname, force)
reg_openkey_noredir(rootkey, subkeypath, sam, create_if_missing, noredir)
reg_getvalue(key, name, default) reg_setvalue(key, name, value, type) reg_delvalue(key, name)
reg_closekey(hkey) reg_enum_subkeys(rootkey) reg_enum_values(rootkey)
reg_key_exists(uroot, path) reg_value_exists(uroot, path, value_name)
HKEY_CLASSES_ROOT HKEY_CURRENT_USER HKEY_LOCAL_MACHINE HKEY_USERS HKEY_CURRENT_CONFIG
REG_SZ REG_MULTI_SZ REG_DWORD REG_EXPAND_SZ REG_QWORD REG_BINARY REG_DWORD_BIG_ENDIAN
KEY_READ KEY_WRITE KEY_ALL_ACCESS KEY_WOW64_32KEY KEY_WOW64_64KEY
service_installed(service_name) service_start(service_name, timeout)
service_stop(service_name, timeout) service_restart(service_name, timeout)
service_is_running(service_name) service_is_stopped(service_name) service_delete(service_name)
create_daily_task(name, cmd, parameters, max_runtime, repeat_minutes, start_hour, start_minute)
create_onetime_task(name, cmd, parameters, delay_minutes, max_runtime, retry_count,
retry_delay_minutes)
task_exists(name) run_task(name) delete_task(name) enable_task(name) disable_task(name)
get_task(name) get_all_scheduled_tasks()
create_shortcut(path, target, arguments, wDir, icon)
create_desktop_shortcut(label, target, arguments, wDir, icon)
create_user_desktop_shortcut(label, target, arguments, wDir, icon)
create_programs_menu_shortcut(label, target, arguments, wDir, icon, folder)
create_user_programs_menu_shortcut(label, target, arguments, wDir, icon, folder)
remove_desktop_shortcut(label) remove_user_desktop_shortcut(label)
remove_programs_menu_shortcut(label, folder) remove_user_programs_menu_shortcut(label, folder)
remove_programs_menu_folder(folder) get_shortcut_properties(path)
programfiles() programfiles32() programfiles64() system32() systemdrive() common_desktop()
desktop(common) user_desktop() programs() start_menu() startup() application_data()
user_appdata() user_local_appdata() default_user_appdata() default_user_local_appdata()
my_documents() recent() sendto() bookmarks() local_desktops() local_users_profiles()
get_profile_path(sid) get_profiles_users() get_local_profiles()
create_user(user, password, full_name, comment) delete_user(user) create_group(group)
delete_group(group) add_user_to_group(user, group) remove_user_from_group(user, group)
local_users() local_groups() local_admins() local_group_members(groupname)
local_group_memberships(username) get_user_from_sid(sid)
set_environ_variable(name, value, type) unset_environ_variable(name) add_to_system_path(path)
remove_from_system_path(path) register_ext(appname, fileext, shellopen, icon, otherverbs)
register_dll(dllpath) unregister_dll(dllpath) set_file_hidden(path) set_file_visible(path)
set_computer_description get_computer_description() adjust_current_privileges fix_wmi()
disable_file_system_redirection() add_shutdown_script(cmd, parameters)
remove_shutdown_script(cmd, parameters) shutdown_scripts_ui_visible(state)
list_local_printers() remove_printer(name)

type_debian() type_redhat() get_distrib_linux() get_distrib_version() isLinux64()
install_apt(package, allow_unauthenticated) uninstall_apt(package) update_apt() upgrade_apt()
autoremove_apt() install_required_dependencies_apt() install_deb(path_to_deb)
purge_deb(deb_name) install_yum(package) uninstall_yum(package) update_yum() upgrade_yum()
autoremove_yum() install_rpm(package) install_pkg(path_to_pkg) uninstall_pkg(pkg_name)
install_dmg(dmg_path, check_version) install_app(app_dir) uninstall_app(app_name)
mount_dmg(dmg_path) unmount_dmg(dmg_mount_path) is_dmg_installed(dmg_path)
is_local_app_installed(appdir) is_local_pkg_installed(pkg_path) get_installed_pkgs()
get_pkg_info(pkg_id) get_applications_info_files() get_plist_obj(plist_file)
get_info_plist_path(app_dir) brew_install(pkg_name) brew_uninstall(pkg_name)
user_home_directory() get_groups(user)
apt_install(package) apt_remove(package) dpkg_install(path_to_deb) rpm_install(package)

get_proxies() get_proxies_from_wapt_console() get_version_from_binary(filename)
remove_outdated_binaries(version) wait_uninstallkey_absent(uninstallkey)
bs_find_all(url, element, proxies)
glob os shutil time sys hashlib platform setuphelpers
'''
# Keywords that published scripts pass.
PASSED = '''
run(timeout, accept_returncodes, cwd, env) run_notfatal(timeout) need_install(force, min_version, name)
install_exe_if_needed(min_version, key, silentflags, killbefore, get_version, timeout)
install_msi_if_needed(properties, killbefore, min_version, remove_old_version, timeout)
wget(proxies, connect_timeout) wgets(proxies) installed_softwares(uninstallkey, name)
register_ext(icon) bs_find_all(proxies) unzip(target)
replace_at_next_reboot(target_filename, tmp_filename)
copytree2(dst, ignore, oncopy, onreplace, src) create_onetime_task(delay_minutes)
create_programs_menu_shortcut(target) unregister_uninstall(win64app)
create_daily_task(start_hour, start_minute, max_runtime)
reg_openkey_noredir(create_if_missing, sam)
register_uninstall(display_name, display_version, publisher, win64app)
'''
# How many positional arguments published scripts pass, at most.
POSITIONAL = {
    'isfile': 1, 'run': 1, 'install_exe_if_needed': 3, 'wget': 2, 'isdir': 1,
    'installed_softwares': 1, 'remove_file': 1, 'Version': 2, 'uninstall_cmd': 1,
    'killalltasks': 1, 'mkdirs': 1, 'remove_tree': 1, 'filecopyto': 2, 'error': 1, 'wgets': 1,
    'get_version_from_binary': 2, 'remove_outdated_binaries': 1, 'wait_uninstallkey_absent': 2,
    'get_file_properties': 1, 'service_is_running': 1, 'install_msi_if_needed': 1,
    'register_ext': 3, 'inifile_readstring': 3, 'registry_set': 5, 'bs_find_all': 2,
    'reg_setvalue': 3, 'inifile_writestring': 4, 'create_onetime_task': 3,
    'create_programs_menu_shortcut': 3, 'unregister_uninstall': 1, 'create_daily_task': 3,
    'reg_key_exists': 2, 'remove_programs_menu_shortcut': 1, 'reg_openkey_noredir': 2,
    'create_user_desktop_shortcut': 2, 'register_uninstall': 2, 'registry_readstring': 3,
    'remove_desktop_shortcut': 1, 'unzip': 1, 'makepath': 6, 'register_windows_uninstall': 1,
}


def signatures(text):
    """Reads `name` and `name(parameter, ...)`: {name: parameters}."""
    found = {}
    for name, parameters in re.findall(r'(\w+)(?:\(([^)]*)\))?', text):
        found[name] = [one.strip() for one in parameters.split(',') if one.strip()]
    return found


def star_import():
    names = {}
    exec('from setuphelpers import *', names)
    return names


class StarImport(FolderTest):
    def test_every_documented_name_is_there_with_its_parameters(self):
        names = star_import()
        for name, parameters in signatures(DOCUMENTED).items():
            self.assertIn(name, names)
            if parameters:
                known = inspect.signature(names[name]).parameters
                lacking = [one for one in parameters if one.lstrip('*') not in known]
                self.assertEqual(lacking, [], name)

    def test_every_keyword_of_published_scripts_is_taken(self):
        names = star_import()
        for name, keywords in signatures(PASSED).items():
            known = inspect.signature(names[name]).parameters.values()
            takes_all = any(one.kind is one.VAR_KEYWORD for one in known)
            lacking = [word for word in keywords
                       if not takes_all and word not in [one.name for one in known]]
            self.assertEqual(lacking, [], name)

    def test_every_count_of_positional_arguments_is_taken(self):
        names = star_import()
        for name, count in POSITIONAL.items():
            known = inspect.signature(names[name]).parameters.values()
            places = sum(one.kind is one.POSITIONAL_OR_KEYWORD for one in known)
            if not any(one.kind is one.VAR_POSITIONAL for one in known):
                self.assertGreaterEqual(places, count, name)

    def test_modules_that_scripts_use_without_importing_have_what_they_use(self):
        names = star_import()
        for text in ('glob.fnmatch.fnmatch', 'glob.glob', 'hashlib.sha256', 'logger.critical',
                     'logger.debug', 'os.chdir', 'os.getcwd', 'os.path.basename', 'os.rename',
                     'platform.win32_ver', 'setuphelpers.run', 'shutil.Error', 'shutil.copy2',
                     'shutil.copystat', 'shutil.rmtree', 'time.ctime', 'time.time', 'sys.argv'):
            value = names[text.split('.')[0]]
            for part in text.split('.')[1:]:
                value = getattr(value, part)

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
            if needed is None or errors.system_name() in needed:
                continue
            checked += 1
            with self.assertRaises(errors.EWaptBadTargetOS) as caught:
                helper()
            message = str(caught.exception)
            self.assertTrue(message.startswith('%s works on %s only, this machine runs %s: '
                                               % (helper.__name__, needed,
                                                  errors.system_name())), message)
        self.assertGreater(checked, 90)


if __name__ == '__main__':
    unittest.main()
