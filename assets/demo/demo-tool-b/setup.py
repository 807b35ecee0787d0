# A tool that needs a library from a certain version on: the control file says
# `depends : demo-lib(>=1.1)`. Without such a version in the repository the agent leaves
# this package out and says so.

from setuphelpers import *

uninstallkey = []

TOOL = '''#!/bin/sh
# Counts the words on its command line.
. "$(dirname "$0")/../demo-lib/lib.sh"
demo_say "$# words"
'''


def tool():
    return makepath(programfiles, 'demo-tool-b', 'demo-tool-b')


def install():
    mkdirs(os.path.dirname(tool()))
    with open(tool(), 'w', encoding='utf-8') as file:
        file.write(TOOL)
    os.chmod(tool(), 0o755)
    counted = run([tool(), 'one', 'two', 'three'])
    # error() ends the installation: the status becomes ERROR and shows this sentence.
    if '3 words' not in counted:
        error('demo-tool-b counts wrongly: %s' % counted)
    print(counted.strip())


def uninstall():
    remove_tree(os.path.dirname(tool()))
