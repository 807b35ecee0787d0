"""Helpers of macOS: what they read, and which of the system's tools they run."""

import os
import plistlib
import unittest

from support import FolderTest

from setuphelpers import context, macos, processlist
from setuphelpers.errors import EWaptBadTargetOS, EWaptInstallError

IMAGE = {'system-entities': [{'dev-entry': '/dev/disk2'},
                             {'dev-entry': '/dev/disk2s1', 'mount-point': '/Volumes/Demo'}]}


class Answers(FolderTest):
    def test_the_mounted_folder_of_an_image_is_found(self):
        self.assertEqual(macos.mount_point(IMAGE), '/Volumes/Demo')
        self.assertIsNone(macos.mount_point({'system-entities': [{}]}))

    def test_property_lists_of_both_forms_are_read(self):
        for kind in (plistlib.FMT_XML, plistlib.FMT_BINARY):
            self.assertEqual(macos.parse_plist(plistlib.dumps({'a': 1}, fmt=kind)), {'a': 1})
        self.assertEqual(macos.parse_plist(b' \n'), {})
        with self.assertRaisesRegex(EWaptInstallError, 'not a property list'):
            macos.parse_plist(b'nonsense')

    def test_processes_with_blanks_in_their_names_are_read(self):
        text = '  1     0 /sbin/launchd\n 42     1 /Applications/A B.app/Contents/MacOS/A B\nbad\n'
        self.assertEqual([(one.pid, one.parent, one.name())
                          for one in processlist.parse_ps(text)],
                         [(1, 0, 'launchd'), (42, 1, 'A B')])

    def test_other_systems_are_refused(self):
        with self.assertRaisesRegex(EWaptBadTargetOS, 'install_dmg works on macOS only'):
            macos.install_dmg('demo.dmg')


@unittest.skipIf(context.is_windows, 'stands in for the tools of macOS with shell scripts')
class Tools(FolderTest):
    """The tools are stood in for by scripts that write down how they are called."""

    def setUp(self):
        super().setUp()
        for name in ('is_macos', 'is_linux'):
            self.addCleanup(setattr, context, name, getattr(context, name))
        context.is_macos, context.is_linux = True, False
        self.addCleanup(os.environ.__setitem__, 'PATH', os.environ['PATH'])
        os.environ['PATH'] = self.path('bin') + os.pathsep + os.environ['PATH']
        self.addCleanup(setattr, macos, '_APPLICATIONS', macos._APPLICATIONS)
        macos._APPLICATIONS = self.path('Applications')
        os.makedirs(macos._APPLICATIONS)

    def tool(self, name, answer=b'', body=''):
        self.write('answers/' + name, answer)
        path = self.write('bin/' + name, '#!/bin/sh\necho %s "$@" >>"%s"\ncat "%s"\n%s' % (
            name, self.path('calls'), self.path('answers', name), body))
        os.chmod(path, 0o755)

    def calls(self):
        return self.read('calls').splitlines()

    def application(self, folder, version):
        self.write(folder + '/Demo.app/Contents/Info.plist', plistlib.dumps(
            {'CFBundleName': 'Demo', 'CFBundleIdentifier': 'org.demo',
             'CFBundleShortVersionString': version}))
        return self.path(folder, 'Demo.app')

    def test_an_image_is_mounted_its_application_copied_and_the_image_taken_away(self):
        self.application('image', '2.0')
        self.tool('hdiutil', plistlib.dumps({'system-entities': [
            {'mount-point': self.path('image')}]}))
        self.tool('ditto', body='cp -R "$1" "$2"\n')
        image = self.write('demo.dmg')
        self.assertFalse(macos.is_dmg_installed(image))
        macos.install_dmg(image)
        self.assertTrue(macos.is_dmg_installed(image, check_version=True))
        self.assertEqual(macos.list_applications(), [
            ('Demo', '2.0', 'org.demo', self.path('Applications', 'Demo.app'))])
        attached = [call for call in self.calls() if 'attach' in call.split()]
        detached = [call for call in self.calls() if 'detach' in call]
        self.assertEqual(len(attached), len(detached))
        self.application('image', '2.1')
        self.assertFalse(macos.is_dmg_installed(image, check_version=True))
        macos.uninstall_app('Demo')
        self.assertFalse(macos.is_local_app_installed('Demo.app'))
        with self.assertRaisesRegex(EWaptInstallError, 'not a path'):
            macos.uninstall_app('../Demo')

    def test_a_package_is_installed_for_all_and_its_files_deleted(self):
        self.write('volume/opt/demo/file')
        self.tool('installer')
        self.tool('pkgutil', body=(
            'case "$1" in\n--pkg-info-plist) cat "%s" ;;\n--only-files) echo opt/demo/file ;;\n'
            '--only-dirs) printf "opt\\nopt/demo\\n" ;;\nesac\n') % self.write(
                'info', plistlib.dumps({'pkgid': 'org.demo', 'pkg-version': '1.0',
                                        'volume': self.path('volume'),
                                        'install-location': ''})))
        macos.install_pkg(self.write('demo.pkg'))
        self.assertEqual(self.calls()[0], 'installer -package %s -target /'
                         % self.path('demo.pkg'))
        self.assertEqual(macos.get_pkg_info('org.demo')['pkg-version'], '1.0')
        macos.uninstall_pkg('org.demo')
        self.assertEqual(os.listdir(self.path('volume')), [])
        self.assertIn('pkgutil --forget org.demo', self.calls())

    def test_names_cannot_become_options(self):
        self.tool('brew')
        self.tool('sudo')
        macos.brew_install('wget')
        self.assertIn('install wget', self.calls()[0])
        with self.assertRaisesRegex(EWaptInstallError, 'not the name of a package'):
            macos.brew_install('--force')

    def test_the_report_of_the_system_is_read(self):
        self.tool('system_profiler', plistlib.dumps([{'_items': [{'machine_model': 'Mac1'}]}]))
        self.assertEqual(macos.system_profiler_info()['machine_model'], 'Mac1')


if __name__ == '__main__':
    unittest.main()
