# Software from the distribution's own repositories: apt on Debian and Ubuntu, yum or dnf on
# Red Hat and its relatives. The machine's package manager keeps it up to date.

from setuphelpers import *

uninstallkey = []

# Few machines have it, nothing depends on it.
SOFTWARE = 'hello'


def install():
    if type_debian():
        update_apt()
        install_apt(SOFTWARE)
    elif type_redhat():
        install_yum(SOFTWARE)
    else:
        # Ends install() with ERROR and this sentence in the console.
        error('%s knows no package manager for this distribution' % control.package)


def audit():
    if not installed_softwares(name='^%s$' % SOFTWARE):
        print('%s was removed by somebody else' % SOFTWARE)
        return 'WARNING'
    return 'OK'


def uninstall():
    # What came along stays: autoremove_apt() would also take what people installed themselves.
    if type_debian():
        uninstall_apt(SOFTWARE)
    elif type_redhat():
        uninstall_yum(SOFTWARE)
