# A tool that needs a library: the control file says `depends : demo-lib`, so the agent
# installs demo-lib first and removes this package before it removes demo-lib.

from setuphelpers import *

uninstallkey = []

TOOL = '''#!/bin/sh
# Greets whoever is named on the command line.
. "$(dirname "$0")/../demo-lib/lib.sh"
demo_say "hello ${1:-world}"
'''


def tool():
    return makepath(programfiles, 'demo-tool-a', 'demo-tool-a')


def install():
    mkdirs(os.path.dirname(tool()))
    with open(tool(), 'w', encoding='utf-8') as file:
        file.write(TOOL)
    os.chmod(tool(), 0o755)
    print(run([tool(), 'from the installation']).strip())


def audit():
    # run_notfatal() logs a failure instead of raising: here the text decides.
    return 'OK' if 'hello' in run_notfatal([tool()]) else 'ERROR'


def uninstall():
    remove_tree(os.path.dirname(tool()))
