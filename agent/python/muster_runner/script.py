"""Loads the setup.py of a package into one module that all its hooks share."""

import linecache
import os
import sys
import types
import warnings

import setuphelpers
from setuphelpers import context
from setuphelpers.agent import AgentView
from setuphelpers.package import PackageEntry


#: The files of a package that hold hooks, as tracebacks name them: without the folder the package
#: lies in, which is gone when somebody reads the log.
SCRIPT_FILES = ('setup.py', 'update_package.py')


def compile_script(source, filename):
    """Compiles a script so that tracebacks can show its lines."""
    source = source.lstrip('\ufeff').replace('\r\n', '\n').replace('\r', '\n')
    lines = source.splitlines(keepends=True)
    linecache.cache[filename] = (len(source), None, lines, filename)
    with warnings.catch_warnings():
        # Windows paths written without r'' are common and meant as they stand.
        warnings.simplefilter('ignore', SyntaxWarning)
        warnings.simplefilter('ignore', DeprecationWarning)
        return compile(source, filename, 'exec', dont_inherit=True)


class Script:
    """The module of a package script, with the names that WAPT scripts find in it."""

    def __init__(self, job, progress):
        self.job = job
        self.filename = os.path.join(job.package_dir or '', 'setup.py')
        self.control = PackageEntry(sourcespath=job.package_dir)
        self.control.update(job.control)
        self.module = types.ModuleType('setup')
        self.module.__file__ = self.filename
        self.names = vars(self.module)
        self._share_context(progress)

    def _share_context(self, progress):
        job = self.job
        context.root = job.root
        context.control = self.control
        context.namespace = self.names
        context.force = job.force
        context.language = job.language
        context.progress_sink = progress
        # The star import of the script must bring the same objects as the runner put in.
        setuphelpers.control = self.control
        setuphelpers.params = job.params
        self.agent = AgentView(job.wapt, force=job.force)
        context.config = job.wapt.get('config') or {}
        self.names.update(
            WAPT=self.agent, control=self.control, basedir=job.package_dir, params=job.params,
            force=job.force, language=job.language or setuphelpers.get_language(),
            user=job.user or setuphelpers.get_current_user(), usergroups=job.usergroups,
            run=setuphelpers.run, run_notfatal=setuphelpers.run_notfatal,
            persistent_dir=job.persistent_dir,
            persistent_source_dir=job.persistent_source_dir)

    def load(self):
        """Goes to the package's folder and executes the script up to its end."""
        job = self.job
        if job.package_dir:
            os.chdir(job.package_dir)
            sys.path.insert(0, job.package_dir)
        sys.argv = [self.filename]
        sys.modules['setup'] = self.module
        exec(compile_script(job.setup_py, SCRIPT_FILES[0]), self.names)
        if job.hook == 'update_package' and self.hook('update_package') is None:
            self._load_update_package()
        if job.uninstallkey is not None and job.hook != 'install':
            self.names['uninstallkey'] = list(job.uninstallkey)
        context.uninstall_keys()

    def _load_update_package(self):
        """Executes update_package.py, which newer packages carry beside setup.py."""
        path = os.path.join(self.job.package_dir or '', 'update_package.py')
        if not (self.job.package_dir and os.path.isfile(path)):
            return
        with open(path, encoding='utf-8-sig') as file:
            source = file.read()
        exec(compile_script(source, SCRIPT_FILES[1]), self.names)

    def hook(self, name):
        """Returns the function of a hook, or None when the script has none."""
        function = self.names.get(name)
        return function if callable(function) else None

    def uninstall_keys(self):
        """Returns the uninstall keys the script stands for at this moment."""
        return [str(key) for key in context.uninstall_keys()]

    def missing_parameters(self):
        """Lists the required parameters that were not supplied."""
        required = self.names.get('required_params') or []
        if isinstance(required, str):
            required = [name.strip() for name in required.split(',') if name.strip()]
        return [name for name in required if self.job.params.get(name) is None]
