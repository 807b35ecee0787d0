"""One script of every shape that published packages have, run as the agent runs them.

Each was written for this test from a description of what such scripts do.
"""

import http.server
import os
import shutil
import threading
import unittest

from support import RunnerTest

HEAD = '# -*- coding: utf-8 -*-\nfrom setuphelpers import *\n'


class ShapeTest(RunnerTest):
    with_carried_modules = True

    def ok(self, hook, script, **fields):
        """Runs a hook that must end well; returns its log as one text."""
        outcome = self.run_hook(hook, script, **fields)
        self.assertEqual(outcome.status, 'OK', outcome.stderr)
        return '\n'.join(outcome.log)

    def control(self, **fields):
        return {'package': 'demo', 'version': '2.1.3-4', **fields}


class Folders(ShapeTest):
    def test_settings_are_read_when_the_script_is_loaded(self):
        self.write('package/conf.ini', '[task]\nname=weekly\n')
        log = self.ok('install', HEAD + (
            'import configparser\nsettings = configparser.ConfigParser()\n'
            "settings.read('conf.ini')\n"
            "def install():\n    print(settings['task']['name'], os.getcwd() == basedir)\n"))
        self.assertIn('weekly True', log)

    def test_the_folder_of_the_package_is_walked_and_globbed(self):
        for name in ('drivers/x64/one.inf', 'drivers/two.inf', 'setup-1.2.exe'):
            self.write('package/' + name)
        log = self.ok('install', HEAD + (
            'def install():\n    for place, folders, names in os.walk(os.getcwd()):\n'
            "        for name in glob.fnmatch.filter(names, '*.inf'):\n"
            '            print(os.path.relpath(makepath(place, name), basedir))\n'
            "    print(glob.glob('*.exe')[0])\n"))
        for name in (os.path.join('drivers', 'x64', 'one.inf'), 'setup-1.2.exe'):
            self.assertIn(name, log)

    def test_the_scripts_own_path_and_module_are_known(self):
        self.write('package/include.py', 'def greet():\n    return "included"\n')
        log = self.ok('install', HEAD + (
            'import include\nHERE = os.path.dirname(os.path.abspath(__file__))\n'
            'def install():\n    print(include.greet(), HERE == os.path.abspath(basedir), '
            'basedir in sys.path)\n'))
        self.assertIn('included True True', log)

    def test_leaked_modules_need_no_import(self):
        log = self.ok('install', HEAD + (
            "def install():\n    mkdirs('d')\n    shutil.rmtree('d')\n"
            "    logger.debug('quiet')\n    logger.critical('loud')\n"
            "    print(hashlib.sha256(b'').hexdigest()[:8], time.time() > 0, time.ctime()[:1] != '',"
            " sys.version_info[0], platform.system() != '', len(platform.win32_ver()),"
            " setuphelpers.run('echo inner').strip())\n"
            "    os.rename(os.path.join('a'), 'b') if isfile('a') else None\n"))
        self.assertIn('e3b0c442 True True 3 True 4 inner', log)

    def test_folder_helpers_are_passed_to_makepath_uncalled(self):
        log = self.ok('install', HEAD + (
            'def install():\n'
            "    for folder in (programfiles, programfiles32, programfiles64, user_appdata,\n"
            "                   user_local_appdata, application_data):\n"
            "        path = makepath(folder, 'Maker', 'Product')\n"
            "        print(path == makepath(folder(), 'Maker', 'Product'), "
            "path.endswith(os.path.join('Maker', 'Product')))\n"))
        self.assertEqual(log.count('True True'), 6)


class Context(ShapeTest):
    def test_the_control_is_read_both_ways(self):
        log = self.ok('install', HEAD + (
            "VERSION = control.version.split('-', 1)[0]\n"
            'def install():\n    print(VERSION, control["version"], control.package, control.name,'
            ' control.architecture, control.description, control.target_os,'
            ' control.get_software_version(), control.asrequirement())\n'),
            control=self.control(name='Demo', architecture='x64', description='a demo',
                                 target_os='linux'))
        self.assertIn('2.1.3 2.1.3-4 demo Demo x64 a demo linux 2.1.3 demo(=2.1.3-4)', log)

    def test_an_empty_impacted_process_ends_nothing(self):
        for value in ('', None, 'no-such-program,neither-this.exe'):
            control = self.control() if value is None else self.control(impacted_process=value)
            self.ok('install', HEAD + (
                "def install():\n    killalltasks(control.impacted_process.split(','))\n"
                "    killalltasks([''])\n    killalltasks('Nothing.exe')\n"), control=control)

    def test_the_key_list_is_there_without_being_defined(self):
        log = self.ok('install', HEAD + (
            "def install():\n    print(uninstallkey)\n    uninstallkey.append('gone')\n"
            "    uninstallkey.remove('gone')\n"))
        self.assertIn('[]', log)

    def test_keys_that_the_script_defines_are_the_same_list_as_the_helpers_use(self):
        outcome = self.run_hook('install', HEAD + (
            "uninstallkey = ['defined']\nfrom setuphelpers import context\n"
            'def install():\n    context.uninstall_keys().append("added")\n'
            '    print(uninstallkey)\n    uninstallkey.clear()\n'))
        self.assertEqual(outcome.status, 'OK')
        self.assertIn("['defined', 'added']", outcome.log)

    def test_parameters_are_read_and_force_is_known(self):
        log = self.ok('install', HEAD + (
            'def install():\n'
            "    if params.get('remove_desktop_shortcuts'):\n        print('removing')\n"
            "    print(params['company'], force, WAPT.options.force)\n"),
            params={'remove_desktop_shortcuts': True, 'company': 'ACME'}, force=True)
        self.assertIn('removing\nACME True True', log)

    def test_hooks_call_each_other(self):
        script = HEAD + (
            "STATE = makepath(programfiles, 'demo', 'state')\n"
            "def install():\n    uninstall()\n    ensure_dir(STATE)\n"
            "    with open(STATE, 'w') as file:\n        file.write('on')\n"
            'def uninstall():\n    remove_file(STATE)\n'
            "def audit():\n    if not isfile(STATE):\n        print('mending')\n"
            "        install()\n        return 'WARNING'\n    return 'OK'\n")
        self.ok('install', script)
        self.ok('audit', script)
        self.ok('uninstall', script)
        outcome = self.run_hook('audit', script)
        self.assertEqual((outcome.status, outcome.log), ('WARNING', ['mending']))
        self.ok('audit', script)

    def test_a_needed_version_is_asked_for_by_name(self):
        log = self.ok('install', HEAD + (
            'def install():\n'
            "    print(need_install(name='^No Such Product', min_version='1.0', force=False))\n"))
        self.assertIn('True', log)

    def test_an_audit_says_one_of_three_words(self):
        for word in ('OK', 'WARNING', 'ERROR'):
            outcome = self.run_hook('audit', HEAD + 'def audit():\n    return "%s"\n' % word)
            self.assertEqual(outcome.status, word)


class Versions(ShapeTest):
    def test_versions_compare_with_all_the_idioms(self):
        log = self.ok('install', HEAD + (
            "def install():\n"
            "    print(Version('10.0.19045') > Version('6.1'), Version('1.9') < Version('1.10'),"
            " Version('7.4.1.2', 3) == Version('7.4.1', 3), Version('1.2') != Version('1.3'))\n"
            "    print('%s-0' % Version('24.09'))\n"
            "    control.version = '%s-1' % Version('3.4')\n    print(control['version'])\n"))
        self.assertIn('True True True True\n24.09-0\n3.4-1', log)

    @unittest.skipUnless(shutil.which('dpkg-query'), 'dpkg-query is not on this machine')
    def test_installed_software_is_read_by_its_keys(self):
        log = self.ok('install', HEAD + (
            'def install():\n'
            "    for soft in installed_softwares(name='^bash$'):\n"
            "        print(soft['key'], soft['name'], Version(soft['version']) > Version('1'),\n"
            "              soft['uninstall_string'] != '', soft['install_location'], soft['win64'])\n"
            "        print(uninstall_cmd(soft['key']))\n"
            "    print(len(installed_softwares('no such words at all')),"
            " len(installed_softwares(uninstallkey='bash')))\n"))
        self.assertIn('bash bash True True  False', log)
        self.assertIn('0 1', log)


class Commands(ShapeTest):
    def test_commands_run_with_time_and_codes(self):
        log = self.ok('install', HEAD + (
            'def install():\n'
            "    print(run('echo done', timeout=60).strip())\n"
            "    print(run('exit 5', accept_returncodes=[0, 5]).returncode)\n"
            "    print(run_notfatal('exit 9', timeout=60).returncode)\n"
            "    print(run(r'\"echo\" \"a b\"').strip())\n"))
        self.assertIn('done\n5\n9\na b', log)

    def test_scripts_go_around_the_helpers(self):
        log = self.ok('install', HEAD + (
            'import subprocess, tempfile, json, re\nfrom pathlib import Path\n'
            'from datetime import datetime\n'
            'def install():\n'
            "    found = subprocess.run(['echo', 'direct'], stdout=subprocess.PIPE, text=True)\n"
            "    print(found.stdout.strip(), json.loads('{\"a\": 1}')['a'],\n"
            "          re.sub('x', 'y', 'x'), Path('a').name, datetime.now().year > 2000)\n"))
        self.assertIn('direct 1 y a True', log)

    def test_a_script_without_any_helper_runs(self):
        log = self.ok('install', "import os\n\ndef install():\n    print(os.path.basename('/a/b'))\n")
        self.assertIn('b', log)

    def test_files_are_copied_and_removed(self):
        self.write('package/settings.xml', '<a/>')
        self.write('package/tree/a.txt', 'new')
        self.write('package/tree/skip.bak', 'no')
        log = self.ok('install', HEAD + (
            "TARGET = makepath(programfiles, 'demo')\n"
            'def log_copy(msg, src, dst):\n    print(msg, os.path.basename(dst))\n    return True\n'
            'def install():\n'
            "    if not isdir(TARGET):\n        mkdirs(TARGET)\n"
            "    filecopyto('settings.xml', TARGET)\n"
            "    filecopyto('settings.xml', makepath(TARGET, 'copy.xml'))\n"
            "    copytree2(src='tree', dst=TARGET, onreplace=default_overwrite,\n"
            "              ignore=lambda folder, names: [n for n in names if n.endswith('.bak')],\n"
            '              oncopy=log_copy)\n'
            "    remove_file(makepath(TARGET, 'copy.xml'))\n"
            "    remove_file(makepath(TARGET, 'never there'))\n"
            '    print(sorted(os.listdir(TARGET)))\n    remove_tree(TARGET)\n    print(isdir(TARGET))\n'))
        self.assertIn("copy a.txt\n['a.txt', 'settings.xml']\nFalse", log)

    def test_ini_files_and_archives(self):
        import zipfile
        with zipfile.ZipFile(os.path.join(self.package_dir, 'data.zip'), 'w') as archive:
            archive.writestr('inner/app.ini', '[main]\nlang=en\n')
        log = self.ok('install', HEAD + (
            "def install():\n    unzip('data.zip', target='out')\n"
            "    ini = makepath('out', 'inner', 'app.ini')\n"
            "    inifile_writestring(ini, 'main', 'lang', get_language())\n"
            "    print(inifile_readstring(ini, 'main', 'lang'), get_sha256('data.zip') != '')\n"),
            language='fr')
        self.assertIn('fr True', log)

    def test_a_distribution_is_told_apart(self):
        log = self.ok('install', HEAD + (
            'def install():\n    if type_debian():\n        print("debian")\n'
            '    elif type_redhat():\n        print("redhat")\n    else:\n        print("other")\n'
            '    print(iswin64(), isdir(user_home_directory()) in (True, False))\n'))
        self.assertRegex(log, r'(debian|redhat|other)\nFalse True')

    def test_machine_and_firmware_are_asked(self):
        self.ok('install', HEAD + (
            "def install():\n    info = dmi_info()\n"
            "    print(info.get('System_Information', {}).get('Manufacturer'))\n"))

    def test_a_user_session_is_prepared(self):
        log = self.ok('session_setup', HEAD + (
            'def session_setup():\n'
            "    print('profile of', user)\n"
            "    settings = makepath(user_appdata(), 'demo', 'user.ini')\n"
            '    ensure_dir(settings)\n'
            "    inifile_writestring(settings, 'ui', 'first', 'no')\n"), user='ada')
        self.assertIn('profile of ada', log)


class Pages(http.server.BaseHTTPRequestHandler):
    """What a publisher's site answers."""

    ANSWERS = {
        '/releases/latest': b'{"tag_name": "v3.5", "assets": [{"name": "demo-3.5.bin"}]}',
        '/download': b'<html><a class="file" href="/files/demo-3.5.bin">Demo 3.5</a>'
                     b'<a href="/other">no</a></html>',
        '/files/demo-3.5.bin': b'binary of 3.5',
        '/text': 'version é'.encode(),
    }

    def do_GET(self):
        body = self.ANSWERS.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header('Content-Length', str(len(body or b'')))
        self.end_headers()
        self.wfile.write(body or b'')

    def log_message(self, *_):
        pass


class UpdatePackage(ShapeTest):
    def setUp(self):
        super().setUp()
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Pages)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.site = 'http://127.0.0.1:%d' % server.server_port
        self.write('package/WAPT/control', 'package           : demo\nversion           : 3.4-2\n'
                                           'architecture      : all\n')
        self.write('package/demo-3.4.bin', 'binary of 3.4')

    def update(self, setup_py='', **files):
        for name, text in files.items():
            self.write('package/%s.py' % name, text.replace('SITE', self.site))
        return self.run_hook('update_package', setup_py.replace('SITE', self.site),
                             control=self.control(version='3.4-2'))

    def test_requests_and_json_find_the_newest_release(self):
        outcome = self.update(HEAD + (
            'import requests, json\n'
            'def update_package():\n'
            "    proxies = get_proxies_from_wapt_console() or get_proxies()\n"
            "    latest = requests.get('SITE/releases/latest', proxies={}).json()\n"
            "    version = latest['tag_name'].strip('v')\n"
            "    name = latest['assets'][0]['name']\n"
            '    if Version(version) > Version(control.get_software_version()):\n'
            '        if not isfile(name):\n'
            "            wget('SITE/files/' + name, name, proxies={}, connect_timeout=5)\n"
            '        control.set_software_version(version)\n'
            '        control.save_control_to_wapt()\n'
            '        remove_outdated_binaries(version, list_extensions="bin")\n'
            '        return True\n    return False\n'))
        self.assertEqual(outcome.status, 'OK', outcome.stderr)
        self.assertTrue(outcome.result['changed'])
        self.assertEqual(self.read('package/demo-3.5.bin'), 'binary of 3.5')
        self.assertFalse(os.path.exists(self.path('package', 'demo-3.4.bin')))
        self.assertIn('version           : 3.5-0', self.read('package/WAPT/control'))

    def test_a_file_beside_the_script_updates_with_developer_helpers_alone(self):
        outcome = self.update("bin_contains = 'demo-'\ndef install():\n    pass\n",
                              update_package=HEAD + (
            'def update_package():\n'
            '    changed = False\n'
            "    for tag in bs_find_all('SITE/download', 'a', 'class', 'file', proxies={}):\n"
            "        name = tag['href'].split('/')[-1]\n"
            "        version = name.split('-')[1].rsplit('.', 1)[0]\n"
            "        print(bin_contains in name, version, tag.text)\n"
            "    if not isfile(name):\n"
            "        wget('SITE' + tag['href'], name, proxies={})\n        changed = True\n"
            "    control.version = '%s-0' % version\n    control.save_control_to_wapt()\n"
            '    return changed\n'))
        self.assertEqual(outcome.status, 'OK', outcome.stderr)
        self.assertIn('True 3.5 Demo 3.5', outcome.log)
        self.assertTrue(outcome.result['changed'])

    def test_an_error_beside_the_script_names_that_file_and_line(self):
        outcome = self.update('', update_package=HEAD + 'def update_package():\n    1 / 0\n')
        self.assertTrue(outcome.error['message'].startswith('update_package.py line 4: '),
                        outcome.error['message'])

    def test_pages_are_read_as_text_and_as_soup(self):
        outcome = self.update(HEAD + (
            'from bs4 import BeautifulSoup\n'
            'def update_package():\n'
            "    print(wgets('SITE/text', proxies={}))\n"
            "    soup = BeautifulSoup(wgets('SITE/download', proxies={}), 'html.parser')\n"
            "    print(soup.find('a', class_='file')['href'])\n"))
        self.assertIn('version é', outcome.log)
        self.assertIn('/files/demo-3.5.bin', outcome.log)


class Agent(ShapeTest):
    WAPT = {'host_uuid': 'H1', 'wapt_base_dir': '/opt/agent', 'private_dir': '/opt/agent/private',
            'config_filename': '/etc/muster/agent.toml', 'version': '1.0',
            'config': {'wapt_server': 'https://deploy.example:8443', 'verify_cert': True,
                       'repo_url': 'https://deploy.example/wapt', 'maturities': ['PROD', 'DEV'],
                       'http_proxy': None},
            'repositories': ['https://deploy.example/wapt'],
            'params': {'seen': 3}, 'audit_data': {'os': {'build': {'value': 1}}}, 'may_order': True,
            'installed': [{'package': 'demo-b', 'version': '1.4-2', 'section': 'base',
                           'install_status': 'OK'},
                          {'package': 'demo-c', 'version': '1', 'section': 'base',
                           'install_status': 'ERROR'}]}

    def test_the_agent_is_described(self):
        log = self.ok('install', HEAD + (
            'def install():\n'
            "    print(WAPT.wapt_base_dir, WAPT.private_dir, WAPT.config_filename, WAPT.host_uuid)\n"
            "    print(WAPT.repositories[0].repo_url, WAPT.repositories[0].verify_cert)\n"
            "    print(WAPT.config.get('global', 'repo_url'), WAPT.config.get('global', 'x', 'none'),"
            " WAPT.config.get('global', 'maturities'))\n"
            "    print(WAPT.waptserver.server_url.split('/')[2], WAPT.waptserver.verify_cert,"
            " WAPT.waptwua_enabled, WAPT.wapt_status()['wapt-exe-version'])\n"), wapt=self.WAPT)
        self.assertEqual(log.splitlines(), [
            '/opt/agent /opt/agent/private /etc/muster/agent.toml H1',
            'https://deploy.example/wapt True',
            'https://deploy.example/wapt none PROD,DEV',
            'deploy.example:8443 True False 1.0'])

    def test_installed_packages_are_asked_for_by_request(self):
        log = self.ok('install', HEAD + (
            'def install():\n'
            "    print(WAPT.is_installed('demo-b').version, WAPT.is_installed('demo-b(>=2)'),\n"
            "          WAPT.is_installed('demo-c'), bool(WAPT.is_installed('demo-c', True)))\n"),
            wapt=self.WAPT)
        self.assertIn('1.4-2 None None True', log)

    def test_values_are_kept_and_tasks_ordered(self):
        outcome = self.run_hook('install', HEAD + (
            'def install():\n'
            "    WAPT.write_param('seen', WAPT.read_param('seen') + 1)\n"
            "    WAPT.delete_param('old')\n"
            "    print(WAPT.write_audit_data_if_changed('os', 'build', 1, max_count=3))\n"
            "    WAPT.write_audit_data('os', 'edition', 'Pro')\n"
            "    WAPT.install(['demo-x', 'demo-y(=1.2)'])\n    WAPT.remove('demo-b')\n"
            "    WAPT.forget_packages('demo-c')\n"), wapt=self.WAPT)
        self.assertEqual(outcome.status, 'OK', outcome.stderr)
        self.assertEqual(outcome.result['written_params'], {'seen': 4, 'old': None})
        self.assertEqual(outcome.result['audit_data'],
                         [{'section': 'os', 'key': 'edition', 'value': 'Pro'}])
        self.assertEqual([(order['action'], order['packages'])
                          for order in outcome.result['orders']],
                         [('install', ['demo-x', 'demo-y(=1.2)']), ('remove', ['demo-b']),
                          ('forget', ['demo-c'])])
        self.assertIn('False', outcome.log)

    def test_what_is_not_possible_says_so(self):
        for call, reason in (
                ("WAPT.install('demo')", 'the package that is running'),
                ('WAPT.upgrade()', 'the agent upgrades by itself'),
                ('WAPT.get_host_key()', 'no key for secrets'),
                ("WAPT.waptserver.get('api', auth=('a', 'b'))", 'sends no credentials'),
                ('WAPT.no_such_thing', 'does not exist')):
            outcome = self.run_hook('install', HEAD + 'def install():\n    %s\n' % call,
                                    wapt={**self.WAPT, 'private_dir': self.folder})
            self.assertIn(reason, outcome.error['message'], call)
        outcome = self.run_hook('install', HEAD + "def install():\n    WAPT.install('other')\n",
                                wapt={**self.WAPT, 'may_order': False})
        self.assertIn('is not possible here', outcome.error['message'])

    def test_older_modules_are_imported(self):
        log = self.ok('install', HEAD + (
            'from common import Wapt, WaptRemoteRepo\nimport common, waptcrypto\n'
            'from waptpackage import PackageEntry, PackageRequest, EWaptException\n'
            'from waptutils import ensure_list, sha256_for_file\n'
            'def install():\n'
            '    entry = PackageEntry()\n    entry.package, entry.version = "a", "1.0-3"\n'
            "    print(Wapt() is WAPT, PackageRequest('a(>=1.0)').is_matched_by(entry),\n"
            "          ensure_list('a,b'), common.logger is logger)\n"), wapt=self.WAPT)
        self.assertIn("True True ['a', 'b'] True", log)


class Mistakes(ShapeTest):
    """Published scripts that fail on any implementation: the report names the line."""

    def fails(self, script, line, *parts, hook='install'):
        outcome = self.run_hook(hook, script)
        self.assertEqual(outcome.status, 'ERROR')
        self.assertEqual(outcome.error['line'], line)
        for part in parts:
            self.assertIn(part, outcome.error['message'])

    def test_018_a_print_statement_and_a_called_else(self):
        self.fails(HEAD + "def install():\n    if isfile('a'):\n        print 'there'\n"
                          '    else():\n        pass\n', 5, 'line 5 is Python 2 syntax', 'print')
        self.fails(HEAD + "def install():\n    if isfile('a'):\n        print('there')\n"
                          '    else():\n        pass\n', 6, 'line 6', 'else():')

    def test_026_a_module_and_a_function_that_never_existed(self):
        self.fails(HEAD + 'from waptkeys import *\ndef install():\n'
                          "    uninstall_keys_from_registry('Demo')\n", 3,
                   'waptkeys', 'belongs to WAPT itself')
        self.fails(HEAD + "def install():\n    uninstall_keys_from_registry('Demo')\n", 4,
                   'uninstall_keys_from_registry')

    def test_005_a_function_called_by_another_name(self):
        self.fails(HEAD + 'import smtplib\ndef send_mail(text):\n    pass\n'
                          "def audit():\n    send_email('late')\n    return 'OK'\n", 7,
                   'send_email', hook='audit')

    def test_021_a_template_with_its_makers_own_package(self):
        self.fails(HEAD + 'import wapttools\ndef install():\n    print(geovar_download)\n', 3,
                   'wapttools', 'belongs to WAPT itself')

    def test_022_a_fragment_without_its_header(self):
        self.fails("def install():\n    add_to_system_path(app_dir)\n", 2, 'add_to_system_path')


if __name__ == '__main__':
    unittest.main()
