# A Debian package that is in no repository of the distribution.
#
# example-deb.deb is not kept with the sources: ../installers/make.sh makes it. For a package of
# yours: `muster package new --from FILE.deb`.

from setuphelpers import *

uninstallkey = []

DEB = 'example-deb'


def installed_version():
    # On Linux the list of installed software is the one of dpkg or rpm.
    for software in installed_softwares(name='^%s$' % DEB):
        return software['version']
    return None


def install():
    wanted = control.version.split('-', 1)[0]
    # `force` is true when the administrator asked for it.
    if installed_version() == wanted and not force:
        print('%s %s is already installed' % (DEB, wanted))
        return
    # Dependencies that the file names are installed by apt.
    install_deb('example-deb.deb')


def audit():
    found = installed_version()
    if not found:
        print('%s is not installed any more' % DEB)
        return 'ERROR'
    print('%s %s' % (DEB, found))
    return 'OK'


def uninstall():
    purge_deb(DEB)
