"""What the tests share: the import path, temporary folders, a run of the script process."""

import contextlib
import glob
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

PYTHON_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEMO_DIR = os.path.join(PYTHON_DIR, '..', '..', 'assets', 'demo')
if PYTHON_DIR not in sys.path:
    sys.path.insert(0, PYTHON_DIR)
sys.dont_write_bytecode = True

from setuphelpers import context  # noqa: E402

WHEELS_DIR = os.path.join(PYTHON_DIR, 'wheels')
#: The pure Python wheels that the agent carries can be imported as they are.
for _wheel in sorted(glob.glob(os.path.join(WHEELS_DIR, '*-none-any.whl'))):
    sys.path.append(_wheel)

NONCE = 'f00dfeed'


class FolderTest(unittest.TestCase):
    """A test with a temporary folder of its own and an untouched context."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)
        for name in ('root', 'namespace', 'control', 'force', 'language', 'is_windows'):
            self.addCleanup(setattr, context, name, getattr(context, name))

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, content=''):
        path = self.path(*name.split('/'))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        mode, options = ('wb', {}) if isinstance(content, bytes) else \
            ('w', {'encoding': 'utf-8', 'newline': ''})
        with open(path, mode, **options) as file:
            file.write(content)
        return path

    def read(self, name):
        with open(self.path(*name.split('/')), encoding='utf-8', newline='') as file:
            return file.read()

    @contextlib.contextmanager
    def inside(self, folder=None):
        previous = os.getcwd()
        os.chdir(folder or self.folder)
        try:
            yield
        finally:
            os.chdir(previous)


class Outcome:
    """What one run of the script process sent."""

    def __init__(self, done, nonce):
        self.code = done.returncode
        self.stderr = done.stderr.decode('utf-8')
        self.frames, self.log = [], []
        for line in io.StringIO(done.stdout.decode('utf-8'), newline='\n'):
            if line.startswith('\x1e%s ' % nonce):
                self.frames.append(json.loads(line.split(' ', 1)[1]))
            else:
                self.log.append(line.rstrip('\n'))
        results = [frame for frame in self.frames if frame['event'] == 'result']
        self.result = results[0] if len(results) == 1 else None

    @property
    def status(self):
        return self.result['status']

    @property
    def error(self):
        return self.result['error']


def unpack_agent(folder):
    """Lays the script runner with its carried modules out as the agent does."""
    for name in os.listdir(PYTHON_DIR):
        if name not in ('tests', 'tools', 'wheels', '__pycache__') and not name.endswith('.txt'):
            os.symlink(os.path.join(PYTHON_DIR, name), os.path.join(folder, name))
    # The search path begins where the program really lies: this file must be a copy.
    os.unlink(os.path.join(folder, 'muster_run.py'))
    shutil.copy(os.path.join(PYTHON_DIR, 'muster_run.py'), folder)
    for wheel in glob.glob(os.path.join(WHEELS_DIR, '*-none-any.whl')):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(os.path.join(folder, 'site-packages'))


class RunnerTest(FolderTest):
    """A test that runs scripts as the agent does."""

    runner_dir = PYTHON_DIR
    #: Scripts find the carried modules too.
    with_carried_modules = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if cls.with_carried_modules:
            folder = tempfile.TemporaryDirectory()
            cls.addClassCleanup(folder.cleanup)
            unpack_agent(folder.name)
            cls.runner_dir = folder.name

    def setUp(self):
        super().setUp()
        self.package_dir = self.path('package')
        os.makedirs(self.package_dir)
        self.root = self.path('root')
        os.makedirs(self.root)

    def run_hook(self, hook, setup_py, **fields):
        job = {'nonce': NONCE, 'hook': hook, 'setup_py': setup_py,
               'package_dir': self.package_dir, 'control': {'package': 'demo', 'version': '1.2-3'},
               'params': {}, 'force': False, 'root': self.root, 'persistent_dir': None,
               'persistent_source_dir': None, 'user': None, 'usergroups': [], 'language': 'en',
               'uninstallkey': None, 'wapt': {}}
        job.update(fields)
        path = self.write('job.json', json.dumps(job))
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith('XDG_')}
        environment['HOME'] = '/home/someone'
        done = subprocess.run(
            [sys.executable, '-I', '-S', '-B', os.path.join(self.runner_dir, 'muster_run.py'), path],
            stdin=subprocess.DEVNULL, capture_output=True, cwd=self.folder, env=environment,
            timeout=120, check=False)
        return Outcome(done, NONCE)
