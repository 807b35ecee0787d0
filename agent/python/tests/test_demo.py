"""The demonstration packages, run hook by hook as the agent runs them."""

import os
import shutil
import stat
import subprocess
import unittest

from support import DEMO_DIR, RunnerTest

from setuphelpers.package import PackageEntry


class DemoPackages(RunnerTest):
    def package(self, name, hook, **fields):
        """Runs a hook of a demonstration package; install works on a copy of its folder."""
        sources = os.path.join(DEMO_DIR, name)
        with open(os.path.join(sources, 'setup.py'), encoding='utf-8') as file:
            script = file.read()
        entry = PackageEntry().load_control_from_wapt(sources)
        folder = None
        if hook == 'install':
            shutil.copytree(sources, self.package_dir, dirs_exist_ok=True)
            folder = self.package_dir
        return self.run_hook(hook, script, package_dir=folder, control=entry.as_dict(), **fields)

    def make_hello_deb(self):
        tree = self.path('deb')
        self.write('deb/DEBIAN/control', 'Package: hello\nVersion: 2.10-3\nArchitecture: all\n'
                                         'Maintainer: x <x@example.org>\nDescription: x\n')
        program = self.write('deb/usr/bin/hello', '#!/bin/sh\necho "Hello, world!"\n')
        os.chmod(program, 0o755)
        os.makedirs(self.package_dir, exist_ok=True)
        subprocess.run(['dpkg-deb', '--root-owner-group', '-b', tree,
                        os.path.join(self.package_dir, 'hello.deb')], check=True,
                       stdout=subprocess.DEVNULL)

    @unittest.skipUnless(shutil.which('dpkg-deb'), 'dpkg-deb is not on this machine')
    def test_hello_is_unpacked_runs_and_is_removed(self):
        self.make_hello_deb()
        outcome = self.package('demo-hello', 'install')
        self.assertEqual(outcome.status, 'OK', outcome.stderr)
        self.assertIn('The program says: Hello, world!', outcome.log)
        self.assertEqual(self.package('demo-hello', 'audit').status, 'OK')
        self.assertEqual(self.package('demo-hello', 'uninstall').status, 'OK')
        self.assertEqual(os.listdir(os.path.join(self.root, 'opt')), [])
        self.assertEqual(self.package('demo-hello', 'audit').status, 'ERROR')

    def test_hello_without_its_file_says_what_is_missing(self):
        outcome = self.package('demo-hello', 'install')
        self.assertEqual(outcome.status, 'ERROR')
        self.assertIn('hello.deb is not in the package', outcome.error['message'])

    def test_config_is_written_watched_and_set_up_for_a_user(self):
        settings = os.path.join(self.root, 'etc', 'demo-config', 'settings.ini')
        self.assertEqual(self.package('demo-config', 'audit').status, 'ERROR')
        self.assertEqual(self.package('demo-config', 'install').status, 'OK')
        self.assertEqual(self.package('demo-config', 'audit').status, 'OK')
        with open(settings, encoding='utf-8') as file:
            changed = file.read().replace('blue', 'pink')
        with open(settings, 'w', encoding='utf-8') as file:
            file.write(changed)
        outcome = self.package('demo-config', 'audit')
        self.assertEqual(outcome.status, 'WARNING')
        self.assertIn('wallpaper is pink, expected blue', outcome.log)
        self.assertEqual(self.package('demo-config', 'session_setup', user='ada').status, 'OK')
        self.assertTrue(os.path.isfile(os.path.join(
            self.root, 'home', 'someone', '.config', 'demo-config', 'user.ini')))
        self.assertEqual(self.package('demo-config', 'uninstall').status, 'OK')
        self.assertFalse(os.path.exists(settings))

    def test_the_tools_work_with_the_library(self):
        for name in ('demo-lib', 'demo-tool-a', 'demo-tool-b'):
            outcome = self.package(name, 'install')
            self.assertEqual(outcome.status, 'OK', outcome.stderr)
        tool = os.path.join(self.root, 'opt', 'demo-tool-b', 'demo-tool-b')
        self.assertTrue(os.stat(tool).st_mode & stat.S_IXUSR)
        self.assertEqual(self.package('demo-tool-a', 'audit').status, 'OK')
        for name in ('demo-tool-b', 'demo-tool-a', 'demo-lib'):
            self.assertEqual(self.package(name, 'uninstall').status, 'OK')
        self.assertEqual(os.listdir(os.path.join(self.root, 'opt')), [])

    def test_a_tool_without_its_library_fails(self):
        self.assertEqual(self.package('demo-tool-a', 'install').status, 'ERROR')

    def test_the_broken_package_logs_two_lines_and_its_reason(self):
        outcome = self.package('demo-broken', 'install')
        self.assertEqual(outcome.status, 'ERROR')
        self.assertEqual(outcome.log[:2], ['Looking for the licence server',
                                           'The licence server does not answer'])
        self.assertIn('no licence', outcome.error['message'])
        self.assertEqual(outcome.error['type'], 'EWaptInstallError')

    def test_every_control_file_reads_and_the_group_has_no_script(self):
        for name in sorted(os.listdir(DEMO_DIR)):
            entry = PackageEntry().load_control_from_wapt(os.path.join(DEMO_DIR, name))
            self.assertEqual(entry.package, name)
            with open(os.path.join(DEMO_DIR, name, 'WAPT', 'control'), encoding='utf-8') as file:
                for line in file:
                    self.assertEqual(line.index(':'), 18, line)
            has_script = os.path.exists(os.path.join(DEMO_DIR, name, 'setup.py'))
            self.assertEqual(has_script, entry.section != 'group', name)


if __name__ == '__main__':
    unittest.main()
