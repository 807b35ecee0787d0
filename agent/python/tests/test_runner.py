"""The script process: how hooks are run and what the agent gets to read."""

import json
import os
import unittest

from support import NONCE, PYTHON_DIR, RunnerTest

HEAD = 'from setuphelpers import *\n'


class InstallHook(RunnerTest):
    def test_nothing_zero_and_ok_all_mean_ok(self):
        for answer in ('None', '0', "'OK'"):
            outcome = self.run_hook('install', HEAD + 'def install():\n    return %s' % answer)
            self.assertEqual((outcome.code, outcome.status), (0, 'OK'), answer)

    def test_another_answer_becomes_the_status_as_it_stands(self):
        outcome = self.run_hook('install', "def install():\n    return 'RETRY'")
        self.assertEqual(outcome.status, 'RETRY')
        self.assertEqual(outcome.result['value'], 'RETRY')

    def test_a_script_without_the_hook_is_reported_as_absent(self):
        outcome = self.run_hook('install', HEAD + 'uninstallkey = []')
        self.assertTrue(outcome.result['absent'])
        self.assertEqual(outcome.status, 'OK')

    def test_prints_are_log_lines_in_utf8_and_never_fail(self):
        outcome = self.run_hook('install', "def install():\n    print('é € \\udcff')")
        self.assertIn('é € \\udcff', outcome.log)

    def test_the_result_stands_on_its_own_line_after_an_unfinished_one(self):
        outcome = self.run_hook('install', "def install():\n    print('half', end='')")
        self.assertEqual(outcome.status, 'OK')
        self.assertIn('half', outcome.log)

    def test_the_package_is_the_current_folder_at_load_and_in_the_hook(self):
        self.write('package/conf.ini', '[a]\nb=c\n')
        self.write('package/include.py', 'VALUE = 42\n')
        outcome = self.run_hook('install', HEAD + (
            'import include\n'
            "AT_LOAD = inifile_readstring('conf.ini', 'a', 'b')\n"
            'def install():\n'
            "    print(AT_LOAD, include.VALUE, glob.glob('*.ini'), os.path.basename(__file__))\n"))
        self.assertIn("c 42 ['conf.ini'] setup.py", outcome.log)

    def test_control_is_an_object_and_a_mapping(self):
        outcome = self.run_hook('install', HEAD + (
            'def install():\n'
            "    print(control.version, control['version'], control.get_software_version())\n"
            "    print(control.asrequirement())\n"))
        self.assertIn('1.2-3 1.2-3 1.2', outcome.log)
        self.assertIn('demo(=1.2-3)', outcome.log)

    def test_context_variables_are_injected(self):
        outcome = self.run_hook('install', HEAD + (
            'def install():\n'
            '    print(params, force, language, usergroups, persistent_dir, '
            'WAPT.config.get("global", "log"), WAPT.options.force, WAPT.host_uuid)\n'),
            params={'a': 1}, force=True, language='fr', usergroups=['g'],
            persistent_dir='/p', wapt={'host_uuid': 'U', 'config': {'global': {'log': 'x'}}})
        self.assertIn("{'a': 1} True fr ['g'] /p x True U", outcome.log)

    def test_params_changed_by_the_script_come_back(self):
        outcome = self.run_hook('install', "def install():\n    params['b'] = 2", params={'a': 1})
        self.assertEqual(outcome.result['params'], {'a': 1, 'b': 2})

    def test_missing_parameters_are_named_before_the_hook_runs(self):
        script = "required_params = ['site', 'key']\ndef install():\n    print('ran')"
        outcome = self.run_hook('install', script, params={'site': 'x'})
        self.assertEqual(outcome.status, 'ERROR')
        self.assertIn('key', outcome.error['message'])
        self.assertNotIn('site', outcome.error['message'])
        self.assertNotIn('ran', outcome.log)

    def test_a_script_may_use_the_injected_key_list(self):
        outcome = self.run_hook('install', HEAD + (
            "def install():\n    uninstallkey.append('no-such-package-at-all')\n"
            "    uninstallkey.remove('no-such-package-at-all')\n"))
        self.assertEqual(outcome.status, 'OK')

    def test_a_missing_uninstall_key_is_an_error_that_names_it(self):
        outcome = self.run_hook('install', "uninstallkey = ['no-such-package-at-all']\n"
                                           'def install():\n    pass')
        self.assertEqual(outcome.status, 'ERROR')
        self.assertEqual(outcome.result['missing_keys'], ['no-such-package-at-all'])
        self.assertEqual(outcome.result['uninstallkey'], ['no-such-package-at-all'])
        self.assertIn('no-such-package-at-all', outcome.error['message'])

    def test_hooks_share_one_module(self):
        outcome = self.run_hook('install', (
            "def install():\n    uninstall()\n    print(audit())\n"
            "def uninstall():\n    global gone\n    gone = True\n"
            "def audit():\n    return 'OK' if gone else 'ERROR'\n"))
        self.assertIn('OK', outcome.log)

    def test_a_script_function_named_like_a_helper_wins(self):
        outcome = self.run_hook('install', HEAD + (
            "def run_notfatal(*args):\n    return 'mine'\n"
            "def install():\n    print(run_notfatal('x'))\n"))
        self.assertIn('mine', outcome.log)

    def test_progress_is_sent_as_frames(self):
        outcome = self.run_hook('install', HEAD + (
            "def install():\n    WAPT.report_progress(40, 'copying')\n"
            "    report_progress(None, 'waiting')\n"))
        self.assertEqual(outcome.frames[:2], [
            {'event': 'progress', 'percent': 40, 'text': 'copying'},
            {'event': 'progress', 'percent': None, 'text': 'waiting'}])

    def test_a_thread_that_goes_on_does_not_hold_the_result(self):
        outcome = self.run_hook('install', (
            'import threading\ndef install():\n'
            '    threading.Thread(target=threading.Event().wait).start()\n'))
        self.assertEqual((outcome.code, outcome.status), (0, 'OK'))

    def test_windows_text_and_byte_order_mark_are_accepted(self):
        outcome = self.run_hook('install', '\ufeff# -*- coding: utf-8 -*-\r\n'
                                           "def install():\r\n    print('fine')\r\n")
        self.assertIn('fine', outcome.log)

    def test_windows_paths_without_raw_prefix_do_not_warn(self):
        outcome = self.run_hook('install', "def install():\n    print('C:\\Program Files')\n")
        self.assertIn('C:\\Program Files', outcome.log)
        self.assertNotIn('Warning', outcome.stderr)

    def test_the_module_waptpackage_is_there(self):
        outcome = self.run_hook('install', (
            'from waptpackage import PackageEntry\nfrom waptutils import ensure_list\n'
            "def install():\n    print(PackageEntry('a', '1-0').asrequirement())\n"))
        self.assertIn('a(=1-0)', outcome.log)


class Failures(RunnerTest):
    def test_an_exception_gives_type_message_line_and_traceback(self):
        outcome = self.run_hook('install', HEAD + "def install():\n    print('before')\n"
                                                  "    raise ValueError('bad thing')\n")
        self.assertEqual((outcome.code, outcome.status), (0, 'ERROR'))
        self.assertEqual(outcome.error['type'], 'ValueError')
        self.assertEqual(outcome.error['message'], 'bad thing')
        self.assertEqual(outcome.error['line'], 4)
        self.assertIn("raise ValueError('bad thing')", outcome.error['traceback'])
        self.assertNotIn('muster_runner', outcome.error['traceback'])
        self.assertIn('before', outcome.log)

    def test_the_line_is_that_of_the_script_when_a_helper_fails(self):
        outcome = self.run_hook('install', HEAD + "def install():\n    run('exit 7')\n")
        self.assertEqual(outcome.error['line'], 3)
        self.assertIn('code 7', outcome.error['message'])

    def test_error_ends_the_hook_with_its_reason(self):
        outcome = self.run_hook('install', HEAD + "def install():\n    error('no licence')\n")
        self.assertEqual(outcome.error['message'], 'no licence')
        self.assertEqual(outcome.error['type'], 'EWaptInstallError')

    def test_a_postponed_installation_carries_status_and_delay(self):
        outcome = self.run_hook('install', HEAD + (
            "def install():\n    raise EWaptInstallPostponed('later', grace_delay=60)\n"))
        self.assertEqual(outcome.status, 'POSTPONED')
        self.assertEqual(outcome.error['grace_delay'], 60)
        self.assertEqual(outcome.error['retry_count'], 5)

    def test_an_error_may_choose_its_status(self):
        outcome = self.run_hook('install', HEAD + (
            "def install():\n    raise EWaptInstallError('x', install_status='RETRY')\n"))
        self.assertEqual((outcome.status, outcome.error['install_status']), ('RETRY', 'RETRY'))

    def test_a_syntax_error_names_line_and_text(self):
        outcome = self.run_hook('install', 'def install():\n    x = (\n')
        self.assertEqual(outcome.error['type'], 'SyntaxError')
        self.assertEqual(outcome.error['line'], 2)
        self.assertIn('line 2', outcome.error['message'])

    def test_python_2_syntax_is_named_as_such(self):
        cases = {"print 'hello'": 'print is a function', 'raise ValueError, "x"': 'raise Error',
                 'try:\n        pass\n    except ValueError, e:\n        pass': 'except Error as',
                 'x = 0777': '0o', 'x = 10L': 'suffix L', 'x = `1`': 'repr',
                 'if 1 <> 2: pass': '!=', "x = ur'a'": 'prefix ur', "exec 'x'": 'exec is a'}
        for text, hint in cases.items():
            outcome = self.run_hook('install', 'def install():\n    %s\n' % text)
            self.assertIn('is Python 2 syntax', outcome.error['message'], text)
            self.assertIn(hint, outcome.error['message'], text)
            self.assertIn(outcome.error['line'], (2, 4), text)

    def test_python_2_names_are_translated(self):
        for line, hint in (("unicode('a')", 'use str'), ('import _winreg', 'import winreg'),
                           ('import urllib2', 'urllib.request'), ('{}.has_key(1)', ' in '),
                           ("'a'.decode('utf8')", 'already decoded')):
            outcome = self.run_hook('install', 'def install():\n    %s\n' % line)
            self.assertIn('Python 2', outcome.error['message'], line)
            self.assertIn(hint, outcome.error['message'], line)

    def test_leaving_with_sys_exit_is_an_error(self):
        outcome = self.run_hook('install', HEAD + 'def install():\n    sys.exit(0)\n')
        self.assertEqual((outcome.code, outcome.status), (0, 'ERROR'))
        self.assertIn('sys.exit(0)', outcome.error['message'])

    def test_an_interruption_is_an_error(self):
        outcome = self.run_hook('install', 'def install():\n    raise KeyboardInterrupt\n')
        self.assertEqual(outcome.status, 'ERROR')
        self.assertIn('interrupted', outcome.error['message'])

    def test_a_question_is_refused_with_advice(self):
        outcome = self.run_hook('install', "def install():\n    input('key? ')\n")
        self.assertIn('required_params', outcome.error['message'])

    def test_an_error_at_load_is_reported_like_one_in_the_hook(self):
        outcome = self.run_hook('audit', HEAD + 'x = 1 / 0\n')
        self.assertEqual((outcome.status, outcome.error['line']), ('ERROR', 2))

    def test_a_windows_helper_on_linux_says_what_to_do(self):
        outcome = self.run_hook('install', HEAD + (
            "def install():\n    registry_set(HKEY_LOCAL_MACHINE, 'x', 'y', 1)\n"))
        for part in ('registry_set', 'works on Windows only', 'Linux', 'target_os'):
            self.assertIn(part, outcome.error['message'])

    def test_an_agent_operation_that_scripts_do_not_have_says_what_to_do(self):
        outcome = self.run_hook('install', "def install():\n    WAPT.install('x')\n")
        self.assertIn('depends', outcome.error['message'])

    def test_an_unreadable_job_ends_with_another_code(self):
        outcome = self.run_hook('dance', '')
        self.assertEqual((outcome.code, outcome.result), (2, None))
        self.assertIn('dance', outcome.stderr)


class OtherHooks(RunnerTest):
    def test_audit_keeps_the_three_words_and_calls_the_rest_unknown(self):
        for answer, status in (("'OK'", 'OK'), ("'WARNING'", 'WARNING'), ("'ERROR'", 'ERROR'),
                               ('None', 'UNKNOWN'), ('True', 'UNKNOWN'), ("'ok'", 'UNKNOWN'),
                               ('[]', 'UNKNOWN')):
            outcome = self.run_hook('audit', 'def audit():\n    return %s' % answer)
            self.assertEqual(outcome.status, status, answer)

    def test_audit_is_an_error_when_a_key_of_the_installation_is_gone(self):
        outcome = self.run_hook('audit', "def audit():\n    return 'WARNING'",
                                uninstallkey=['no-such-package-at-all'])
        self.assertEqual(outcome.status, 'ERROR')
        self.assertEqual(outcome.result['missing_keys'], ['no-such-package-at-all'])

    def test_audit_runs_without_the_package_folder(self):
        outcome = self.run_hook('audit', "def audit():\n    print(__file__)\n    return 'OK'",
                                package_dir=None)
        self.assertEqual(outcome.status, 'OK')
        self.assertIn('setup.py', outcome.log)

    def test_session_setup_with_a_true_answer_is_run_again(self):
        self.assertEqual(self.run_hook('session_setup', 'def session_setup():\n    return 1')
                         .status, 'RETRY')
        self.assertEqual(self.run_hook('session_setup', "def session_setup():\n    return ''")
                         .status, 'OK')

    def test_session_setup_knows_its_user(self):
        outcome = self.run_hook('session_setup', 'def session_setup():\n    print(user)',
                                user='ada')
        self.assertIn('ada', outcome.log)

    def test_uninstall_goes_on_when_a_key_is_already_gone(self):
        outcome = self.run_hook('uninstall', "def uninstall():\n    print('cleaned')",
                                uninstallkey=['no-such-package-at-all'])
        self.assertEqual(outcome.status, 'OK')
        self.assertIn('cleaned', outcome.log)
        self.assertTrue(any('already gone' in line for line in outcome.log))

    def test_a_program_that_wants_a_restart_is_told_of(self):
        for code, wanted in ((0, False), (3010, True), (1641, True)):
            # A shell cuts codes to a byte: Python says it as Windows would.
            outcome = self.run_hook('uninstall', HEAD + (
                'import subprocess\n'
                'def uninstall():\n'
                '    real = subprocess.Popen.wait\n'
                '    def wait(process, timeout=None):\n'
                '        real(process, timeout)\n'
                '        process.returncode = %d\n'
                '    subprocess.Popen.wait = wait\n'
                "    run('true')\n" % code))
            self.assertEqual((outcome.status, outcome.result['wants_restart']), ('OK', wanted))

    def test_tracebacks_name_the_script_and_not_its_folder(self):
        outcome = self.run_hook('install', "def install():\n    raise ValueError('no')\n")
        self.assertIn('File "setup.py", line 2', outcome.error['traceback'])
        self.assertNotIn(self.package_dir, outcome.error['traceback'])

    def test_the_umask_and_the_working_folder_are_those_of_the_job(self):
        outcome = self.run_hook('audit', (
            'import os\ndef audit():\n    print(oct(os.umask(0)), os.getcwd())\n'
            "    return 'OK'\n"), package_dir=None, umask=0o027, working_dir=self.root)
        self.assertIn('0o27 %s' % self.root, outcome.log)

    def test_uninstall_runs_explicit_commands(self):
        outcome = self.run_hook('uninstall', "uninstallstring = ['echo one, two']\n")
        self.assertEqual((outcome.status, outcome.result['absent']), ('OK', True))
        self.assertIn('one, two', outcome.log)

    def test_a_failing_uninstall_command_is_fatal_unless_forced(self):
        script = "uninstallstring = 'exit 9'\ndef uninstall():\n    print('went on')\n"
        self.assertEqual(self.run_hook('uninstall', script).status, 'ERROR')
        outcome = self.run_hook('uninstall', script, force=True)
        self.assertEqual(outcome.status, 'OK')
        self.assertIn('went on', outcome.log)

    def test_update_package_saves_the_control_file(self):
        self.write('package/WAPT/control', 'package: demo\nversion: 1.2-3\n')
        outcome = self.run_hook('update_package', HEAD + (
            "def update_package():\n    control.set_software_version('1.4')\n"
            '    control.save_control_to_wapt()\n    return True\n'))
        self.assertTrue(outcome.result['changed'])
        self.assertIn('version           : 1.4-0', self.read('package/WAPT/control'))

    def test_update_package_is_also_found_in_its_own_file(self):
        self.write('package/update_package.py', HEAD + (
            'def update_package():\n    print(bin_contains)\n    return False\n'))
        outcome = self.run_hook('update_package', "bin_contains = 'Setup-'\n")
        self.assertEqual((outcome.result['changed'], outcome.result['absent']), (False, False))
        self.assertIn('Setup-', outcome.log)


class Protocol(RunnerTest):
    def test_frames_are_compact_json_behind_mark_and_nonce(self):
        import subprocess
        import sys
        job = self.write('job.json', json.dumps({'nonce': NONCE, 'hook': 'audit',
                                                 'setup_py': ''}))
        done = subprocess.run([sys.executable, '-I', '-S', '-B',
                               os.path.join(PYTHON_DIR, 'muster_run.py'), job],
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
        self.assertTrue(done.stdout.startswith(b'\x1e' + NONCE.encode() + b' {"event":"result",'
                                               b'"status":"OK"'))
        self.assertTrue(done.stdout.endswith(b'}\n'))

    def test_odd_values_do_not_break_the_result(self):
        outcome = self.run_hook('install', (
            "def install():\n    params['x'] = float('nan')\n    params['y'] = {(1, 2): object}\n"
            "    params['z'] = params\n    raise ValueError('half \\udcff pair')\n"))
        self.assertEqual(outcome.error['message'], 'half ? pair')
        self.assertIsNone(outcome.result['params']['x'])
        self.assertIn('(1, 2)', outcome.result['params']['y'])

    def test_no_compiled_file_is_left_beside_the_runner(self):
        self.run_hook('audit', '')
        left = [name for _, folders, _ in os.walk(os.path.join(PYTHON_DIR, 'muster_runner'))
                for name in folders if name == '__pycache__']
        self.assertEqual(left, [])


if __name__ == '__main__':
    unittest.main()
