# A package that fails on purpose, to see how a failure reaches the console: the status
# becomes ERROR, the reason and the line stand first, the log of the hook below them.

from setuphelpers import *

uninstallkey = []


def install():
    print('Looking for the licence server')
    print('The licence server does not answer')
    error('no licence for the demo: ask for one, or remove demo-broken from this machine')
