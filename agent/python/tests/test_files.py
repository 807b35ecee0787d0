"""Folders, files, archives and ini files."""

import os
import stat
import unittest
import zipfile

from support import FolderTest

from setuphelpers import archive, context, files, inifile, paths, shortcuts
from setuphelpers.errors import EWaptInstallError


class Locations(FolderTest):
    def test_makepath_calls_functions_among_its_parts(self):
        self.assertEqual(paths.makepath(paths.programfiles, 'a', 'b'), '/opt/a/b')
        self.assertEqual(paths.makepath(paths.programfiles(), 'a'), '/opt/a')

    def test_makepath_completes_a_bare_drive_on_windows(self):
        context.is_windows = True
        self.assertTrue(paths.makepath('C:', 'a').startswith('C:\\'))

    def test_system_folders_stand_below_the_root(self):
        context.root = self.folder
        for location in (paths.programfiles, paths.programfiles32, paths.programfiles64):
            self.assertEqual(location(), self.path('opt'))
        self.assertEqual(paths.common_application_data(), self.path('etc'))
        self.assertEqual(paths.programs(), self.path('usr', 'share', 'applications'))
        for location in (paths.user_home_directory, paths.application_data, paths.user_appdata,
                         paths.user_local_appdata, paths.user_desktop, paths.my_documents):
            self.assertTrue(location().startswith(self.folder + os.sep), location)

    def test_a_path_already_below_the_root_is_left_alone(self):
        context.root = self.folder
        self.assertEqual(context.under_root(self.path('opt')), self.path('opt'))

    def test_without_a_root_the_real_folders_are_meant(self):
        self.assertEqual(context.under_root('/etc/x'), '/etc/x')


class FileOperations(FolderTest):
    def test_removing_what_is_not_there_is_fine(self):
        files.remove_file(self.path('absent'))
        files.remove_tree(self.path('absent'))

    def test_read_only_files_are_removed(self):
        path = self.write('tree/inner/file', 'x')
        os.chmod(path, stat.S_IREAD)
        os.chmod(self.path('tree', 'inner'), 0o500)
        files.remove_tree(self.path('tree'))
        self.assertFalse(os.path.exists(self.path('tree')))

    def test_remove_tree_does_not_follow_links(self):
        kept = self.write('kept/file', 'x')
        os.makedirs(self.path('tree'))
        os.symlink(self.path('kept'), self.path('tree', 'link'))
        files.remove_tree(self.path('tree'))
        self.assertTrue(os.path.isfile(kept))

    def test_remove_tree_refuses_the_whole_file_system(self):
        with self.assertRaisesRegex(EWaptInstallError, 'whole file system'):
            files.remove_tree('/')

    def test_remove_file_refuses_a_folder(self):
        with self.assertRaisesRegex(EWaptInstallError, 'remove_tree'):
            files.remove_file(self.folder)

    def test_filecopyto_takes_a_folder_or_a_name(self):
        source = self.write('a.txt', 'new')
        os.makedirs(self.path('d'))
        self.assertEqual(files.filecopyto(source, self.path('d')), self.path('d', 'a.txt'))
        self.write('d/b.txt', 'old')
        files.filecopyto(source, self.path('d', 'b.txt'))
        self.assertEqual(self.read('d/b.txt'), 'new')

    def test_filecopyto_names_what_is_missing(self):
        with self.assertRaisesRegex(EWaptInstallError, 'no such file'):
            files.filecopyto(self.path('x'), self.folder)
        with self.assertRaisesRegex(EWaptInstallError, r'mkdirs\(\)'):
            files.filecopyto(self.write('a', ''), self.path('no', 'folder'))

    def tree(self):
        self.write('src/a', 'new a')
        self.write('src/sub/b', 'new b')
        self.write('src/skip.log', 'log')
        self.write('dst/a', 'old a')

    def test_copytree2_keeps_existing_files_by_default(self):
        self.tree()
        files.copytree2(self.path('src'), self.path('dst'))
        self.assertEqual((self.read('dst/a'), self.read('dst/sub/b')), ('old a', 'new b'))

    def test_copytree2_replaces_ignores_and_asks(self):
        self.tree()
        seen = []

        def oncopy(msg, src, dst):
            seen.append((msg, os.path.basename(src)))
            return 'b' != os.path.basename(src)

        files.copytree2(self.path('src'), self.path('dst'), onreplace=files.default_overwrite,
                        oncopy=oncopy, ignore=lambda folder, names: ['skip.log'])
        self.assertEqual(self.read('dst/a'), 'new a')
        self.assertFalse(os.path.exists(self.path('dst', 'skip.log')))
        self.assertFalse(os.path.exists(self.path('dst', 'sub', 'b')))
        self.assertIn(('overwrites', 'a'), seen)

    def test_copytree2_replaces_only_older_files_when_asked(self):
        self.tree()
        os.utime(self.path('dst', 'a'), (2000000000, 2000000000))
        files.copytree2(self.path('src'), self.path('dst'),
                        onreplace=files.default_overwrite_older)
        self.assertEqual(self.read('dst/a'), 'old a')

    def test_files_are_found_by_patterns(self):
        self.tree()
        names = [os.path.relpath(path, self.folder) for path in files.find_all_files(
            self.folder, include_patterns='a,b', exclude_dirs=['dst'])]
        self.assertEqual(names, ['src/a', 'src/sub/b'])
        self.assertEqual(len(files.all_files(self.folder, '*.log')), 1)

    def test_hashes_and_space(self):
        path = self.write('a', 'abc')
        self.assertEqual(files.get_sha256(path), 'ba7816bf8f01cfea414140de5dae2223'
                                                 'b00361a396177a9cb410ff61f20015ad')
        self.assertGreater(files.get_disk_free_space(self.path('not', 'yet')), 0)
        self.assertFalse(files.file_is_locked(path, timeout=0))
        self.assertFalse(files.dir_is_empty(self.folder))


class Archives(FolderTest):
    def zip(self, *members):
        path = self.path('a.zip')
        with zipfile.ZipFile(path, 'w') as output:
            for name, content in members:
                output.writestr(name, content)
        return path

    def test_everything_goes_beside_the_archive_without_a_target(self):
        archive.unzip(self.zip(('d/x', '1'), ('y', '2')))
        self.assertEqual((self.read('a/d/x'), self.read('a/y')), ('1', '2'))

    def test_members_are_chosen_by_name_pattern_or_folder(self):
        path = self.zip(('d/x', '1'), ('d/z', '1'), ('y.txt', '2'), ('e/w', '3'))
        archive.unzip(path, target=self.path('t'), filenames=['*.txt', 'd'])
        self.assertEqual(sorted(os.listdir(self.path('t'))), ['d', 'y.txt'])
        with self.assertRaisesRegex(EWaptInstallError, 'holds none of'):
            archive.unzip(path, filenames='absent')

    def test_a_member_that_leads_outside_is_refused_before_anything_is_written(self):
        for name in ('../x', '/x', 'a/../../x', 'C:/x', '..\\x'):
            path = self.zip(('good', '1'), (name, '2'))
            with self.assertRaisesRegex(EWaptInstallError, 'leads outside', msg=name):
                archive.unzip(path, target=self.path('t'))
            self.assertFalse(os.path.exists(self.path('t')), name)

    def test_links_are_refused(self):
        link = zipfile.ZipInfo('link')
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        with self.assertRaisesRegex(EWaptInstallError, 'link'):
            archive.unzip(self.zip((link, '/etc/passwd')), target=self.path('t'))

    def test_programs_stay_executable(self):
        program = zipfile.ZipInfo('run.sh')
        program.external_attr = 0o100755 << 16
        archive.unzip(self.zip((program, 'x')), target=self.path('t'))
        self.assertTrue(os.access(self.path('t', 'run.sh'), os.X_OK))


class IniFiles(FolderTest):
    TEXT = '; comment\r\n[First]\r\nName = Ada\r\n\r\n[second]\r\nurl=http://a=b\r\n'

    def test_values_are_read_without_case(self):
        path = self.write('a.ini', self.TEXT)
        self.assertEqual(inifile.inifile_readstring(path, 'FIRST', 'name'), 'Ada')
        self.assertEqual(inifile.inifile_readstring(path, 'second', 'url'), 'http://a=b')
        self.assertEqual(inifile.inifile_readstring(path, 'second', 'no', 'dflt'), 'dflt')
        self.assertIsNone(inifile.inifile_readstring(self.path('absent'), 'a', 'b'))

    def test_writing_keeps_comments_order_and_line_ends(self):
        path = self.write('a.ini', self.TEXT)
        inifile.inifile_writestring(path, 'first', 'name', 'Eve')
        inifile.inifile_writestring(path, 'first', 'age', 3)
        inifile.inifile_writestring(path, 'third', 'x', '%y')
        self.assertEqual(self.read('a.ini'), self.TEXT.replace('Ada\r\n', 'Eve\r\nage=3\r\n') +
                         '\r\n[third]\r\nx=%y\r\n')

    def test_files_are_created(self):
        path = self.path('new.ini')
        inifile.inifile_writestring(path, 's', 'k', 'v')
        self.assertEqual(inifile.inifile_readstring(path, 's', 'k'), 'v')

    def test_other_encodings_survive(self):
        path = self.write('a.ini', '[s]\r\nk=é\r\n'.encode('utf-16'))
        inifile.inifile_writestring(path, 's', 'k', 'è')
        with open(path, 'rb') as file:
            self.assertEqual(file.read().decode('utf-16'), '[s]\r\nk=è\r\n')

    def test_keys_and_sections_are_deleted(self):
        path = self.write('a.ini', self.TEXT)
        self.assertTrue(inifile.inifile_deleteoption(path, 'second', 'url'))
        self.assertFalse(inifile.inifile_hasoption(path, 'second', 'url'))
        self.assertTrue(inifile.inifile_deletesection(path, 'first'))
        self.assertFalse(inifile.inifile_hassection(path, 'first'))
        self.assertTrue(inifile.inifile_hassection(path, 'second'))
        self.assertFalse(inifile.inifile_deletesection(path, 'first'))


class Shortcuts(FolderTest):
    def test_a_menu_entry_is_written_below_the_root_and_removed(self):
        context.root = self.folder
        shortcuts.create_programs_menu_shortcut('My tool', '/opt/my tool', '--go', icon='tool')
        text = self.read('usr/share/applications/My tool.desktop')
        self.assertIn("Exec='/opt/my tool' --go\n", text)
        self.assertIn('Name=My tool\n', text)
        shortcuts.remove_programs_menu_shortcut('My tool')
        shortcuts.remove_programs_menu_shortcut('My tool')
        self.assertEqual(os.listdir(self.path('usr', 'share', 'applications')), [])


if __name__ == '__main__':
    unittest.main()
