# Settings in the Windows registry: for the machine at installation, for each user at their logon.

from setuphelpers import *

uninstallkey = []

POLICIES = r'SOFTWARE\Policies\Example'

# Name, value, type. Values of type REG_DWORD are numbers.
MACHINE = [
    ('DisableUpdate', 1, REG_DWORD),
    ('HomePage', 'https://intranet.example/', REG_SZ),
]


def install():
    for name, value, kind in MACHINE:
        # Creates the keys on the way.
        registry_set(HKEY_LOCAL_MACHINE, POLICIES, name, value, kind)
    print('%d settings written to %s' % (len(MACHINE), POLICIES))


def audit():
    status = 'OK'
    for name, value, kind in MACHINE:
        found = registry_readstring(HKEY_LOCAL_MACHINE, POLICIES, name, default=None)
        if found != value:
            # An audit may repair, too: then say so, and give the machine a WARNING once.
            print('%s was %s, set to %s again' % (name, found, value))
            registry_set(HKEY_LOCAL_MACHINE, POLICIES, name, value, kind)
            status = 'WARNING'
    return status


def session_setup():
    # Runs as the user who logs on, once for each version of the package.
    registry_set(HKEY_CURRENT_USER, r'Software\Example', 'Greeting', 'Hello %s' % user)


def uninstall():
    for name, value, kind in MACHINE:
        registry_delete(HKEY_LOCAL_MACHINE, POLICIES, name)
