"""Prints the names that scripts of packages find, for lint; run by a test and by `make lint-names`.

Run it with the agent's modules on PYTHONPATH: the lists are what that Python says, nothing is typed here.
"""
import builtins
import os
import sys
import textwrap

import setuphelpers
from muster_runner.job import Job
from muster_runner.script import Script

# Modules that Python had while agents of this kind may still run it, or has by now.
STDLIB_OF_OTHER_VERSIONS = {'asynchat', 'asyncore', 'binhex', 'distutils', 'formatter', 'imp', 'parser',
                            'smtpd', 'symbol', 'tomllib'}


def show(title, names):
    print('[%s]' % title)
    print('\n'.join(textwrap.wrap(' '.join(sorted(names)), 110, break_on_hyphens=False)))
    print()


def injected():
    script = Script(Job({'nonce': '0', 'hook': 'install'}), None)
    return set(script.names) | {'uninstallkey', '__builtins__'}


def carried():
    folder = os.path.dirname(os.path.dirname(os.path.abspath(setuphelpers.__file__)))
    names = {name[:-3] for name in os.listdir(folder) if name.endswith('.py')}
    names |= {name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name, '__init__.py'))}
    # What runs scripts is not for them; tests are not installed.
    return {name for name in names if not name.startswith('muster_') and name != 'tests'}


print('# Written by names.py: change the modules of the agent, then run `make lint-names`.')
print()
show('setuphelpers', setuphelpers.__all__)
show('injected', injected())
show('builtins', set(dir(builtins)) | {'WindowsError'})
show('stdlib', {name for name in sys.stdlib_module_names if not name.startswith('_')}
     | STDLIB_OF_OTHER_VERSIONS | {'__future__'})
# Beside what lies in the folder, agents carry what scripts import by their documentation.
show('carried', carried() | {'requests', 'bs4'})
