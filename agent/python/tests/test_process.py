"""Commands with time limits, and processes by name."""

import os
import shutil
import subprocess
import sys
import unittest

from support import FolderTest

from setuphelpers import process, processlist
from setuphelpers.errors import CommandTimeout

BLOCKS = 'tail -f /dev/null'


def alive(pid):
    return any(entry.pid == pid for entry in processlist.list_processes())


class Commands(FolderTest):
    def test_output_is_text_with_its_code(self):
        output = process.run('printf "a\\nb"')
        self.assertEqual((output, output.returncode), ('a\nb', 0))

    def test_a_list_needs_no_quoting(self):
        self.assertEqual(process.run(['printf', '%s', 'a b; c']), 'a b; c')

    def test_an_unexpected_code_raises_with_output_and_code(self):
        with self.assertRaises(subprocess.CalledProcessError) as caught:
            process.run('echo reason; exit 4')
        self.assertEqual((caught.exception.returncode, caught.exception.output),
                         (4, 'reason\n'))
        self.assertIn('reason', str(caught.exception))

    def test_codes_can_be_accepted(self):
        self.assertEqual(process.run('exit 4', accept_returncodes=[4]).returncode, 4)
        self.assertEqual(process.run('exit 5', accept_returncodes=None).returncode, 5)

    def test_error_output_is_merged_dropped_or_collected(self):
        self.assertIn('bad', process.run('echo bad >&2'))
        lines = []
        self.assertEqual(process.run('echo good; echo bad >&2', return_stderr=lines), 'good\n')
        self.assertEqual(lines, ['bad'])

    def test_output_is_passed_on_as_it_comes(self):
        seen = []
        process.run('echo one; echo two', on_write=seen.append)
        self.assertEqual(seen, ['one\n', 'two\n'])

    def test_an_error_of_the_listener_is_not_lost(self):
        def listener(text):
            raise KeyError('listener')
        with self.assertRaises(KeyError):
            process.run('echo one', on_write=listener)

    def test_foreign_bytes_do_not_break_the_output(self):
        self.assertEqual(process.run("printf '\\351'"), 'é')

    def test_input_is_closed(self):
        self.assertEqual(process.run('cat'), '')

    def test_timeout_kills_the_whole_tree(self):
        command = 'echo $$; %s & echo $!; (setsid %s & echo $!); %s' % (BLOCKS, BLOCKS, BLOCKS)
        with self.assertRaises(CommandTimeout) as caught:
            process.run(command, timeout=0.5)
        pids = [int(line) for line in caught.exception.output.split()]
        self.assertEqual(len(pids), 3)
        self.assertEqual([pid for pid in pids if alive(pid)], [])
        self.assertIn('0.5 s', str(caught.exception))

    def test_a_child_that_keeps_the_output_open_does_not_block(self):
        process._DRAIN_SECS, previous = 0.1, process._DRAIN_SECS
        self.addCleanup(setattr, process, '_DRAIN_SECS', previous)
        output = process.run('%s & echo $!' % BLOCKS, timeout=30)
        self.assertTrue(alive(int(output)))
        processlist.killtree(int(output))

    def test_options_go_to_the_process(self):
        self.assertEqual(process.run('pwd', cwd=self.folder).strip(), self.folder)
        self.assertEqual(process.run('echo $X', env=dict(os.environ, X='y')).strip(), 'y')

    def test_pids_are_listed_while_the_command_runs(self):
        pids, seen = [], []
        process.run('echo x', pidlist=pids, on_write=lambda _: seen.extend(pids))
        self.assertEqual((len(seen), pids), (1, []))

    def test_run_notfatal_returns_the_output_of_a_failure(self):
        with self.assertLogs('setuphelpers', 'WARNING'):
            output = process.run_notfatal('echo text; exit 2')
        self.assertEqual((output, output.returncode), ('text\n', 2))
        with self.assertLogs('setuphelpers', 'WARNING'):
            self.assertEqual(process.run_notfatal(['/no/such/program']), '')


class Processes(FolderTest):
    def start(self, name):
        """Starts a blocking program under a name of its own."""
        program = self.path(name)
        shutil.copy(shutil.which('tail'), program)
        os.chmod(program, 0o755)
        child = subprocess.Popen([program, '-f', '/dev/null'], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child

    def test_processes_are_found_and_ended_by_name_with_or_without_exe(self):
        child = self.start('muster-test-one')
        self.assertTrue(processlist.isrunning('Muster-Test-One.exe'))
        self.assertEqual([found.pid for found in processlist.find_processes('muster-test-one')],
                         [child.pid])
        self.assertEqual(processlist.killalltasks('muster-test-zero,muster-test-one'),
                         [child.pid])
        child.wait()
        self.assertFalse(processlist.isrunning('muster-test-one'))

    def test_long_names_are_not_cut(self):
        self.start('muster-test-with-a-long-name')
        self.assertTrue(processlist.isrunning('muster-test-with-a-long-name'))

    def test_an_empty_list_of_names_ends_nothing(self):
        self.assertEqual(processlist.killalltasks(['']), [])
        self.assertEqual(processlist.killalltasks(''), [])

    def test_the_script_itself_is_never_ended(self):
        name = os.path.basename(os.path.realpath(sys.executable))
        mine = {os.getpid(), os.getppid()}
        listed = processlist.list_processes
        self.addCleanup(setattr, processlist, 'list_processes', listed)
        processlist.list_processes = lambda: [entry for entry in listed() if entry.pid in mine]
        self.assertEqual(processlist.killalltasks(name), [])

    def test_who_holds_a_file_is_known(self):
        child = self.start('muster-test-two')
        self.assertIn(child.pid, [found.pid for found in processlist.processes_for_file(
            self.path('muster-test-two'))])


class Names(unittest.TestCase):
    def test_names_are_compared_without_folder_case_and_exe(self):
        for name in ('VLC.exe', 'vlc', r'C:\Program Files\VLC\vlc.exe', ' vlc '):
            self.assertEqual(processlist.normal_name(name), 'vlc')

    def test_descendants_survive_circles(self):
        entry = processlist.ProcessEntry
        listed = [entry(1, 3, 'a'), entry(2, 1, 'b'), entry(3, 2, 'c'), entry(4, 3, 'd')]
        self.assertEqual(processlist.descendants(1, listed), [2, 3, 4])


if __name__ == '__main__':
    unittest.main()
