"""Local users and groups."""

import os
import subprocess

from . import context
from .errors import CommandError, EWaptInstallError, needs_windows, not_on_macos
from .powershell import quote_powershell, run_powershell
from .process import run


def _name(name):
    """Refuses names that a command would take for something else."""
    if not name or name[0] in '-/' or any(character in name for character in '"\r\n:\0'):
        raise EWaptInstallError('%r is not the name of a user or group' % name)
    return name


def _rows(found):
    return [found] if isinstance(found, str) else list(found or [])


@not_on_macos
def create_user(user, password=None, full_name=None, comment=None):
    """Creates a local user; without a password nobody can log on with it."""
    _name(user)
    if context.is_windows:
        code = 'New-LocalUser -Name %s' % quote_powershell(user)
        if password is None:
            code += ' -NoPassword'
        else:
            code += ' -Password (ConvertTo-SecureString $env:MUSTER_SECRET -AsPlainText -Force)'
        if full_name:
            code += ' -FullName %s' % quote_powershell(full_name)
        if comment:
            code += ' -Description %s' % quote_powershell(comment)
        environment = dict(os.environ, MUSTER_SECRET=password or '')
        run_powershell(code, output_format='text', env=environment)
        return
    command = ['useradd', '--create-home', '--comment', full_name or comment or '', user]
    run(command)
    if password is not None:
        # Through the pipe, so that the password shows in no list of processes.
        done = subprocess.run(['chpasswd'], input='%s:%s\n' % (user, password), text=True,
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise CommandError(done.returncode, 'chpasswd', done.stderr)


@not_on_macos
def delete_user(user):
    """Deletes a local user; the home folder stays."""
    _name(user)
    if context.is_windows:
        run_powershell('Remove-LocalUser -Name %s' % quote_powershell(user), output_format='text')
    else:
        run(['userdel', user])


@not_on_macos
def create_group(group, comment=None):
    """Creates a local group."""
    _name(group)
    if context.is_windows:
        code = 'New-LocalGroup -Name %s' % quote_powershell(group)
        if comment:
            code += ' -Description %s' % quote_powershell(comment)
        run_powershell(code, output_format='text')
    else:
        run(['groupadd', group])


@not_on_macos
def delete_group(group):
    """Deletes a local group."""
    _name(group)
    if context.is_windows:
        run_powershell('Remove-LocalGroup -Name %s' % quote_powershell(group),
                       output_format='text')
    else:
        run(['groupdel', group])


@not_on_macos
def add_user_to_group(user, group):
    """Puts a user into a local group."""
    _name(user), _name(group)
    if context.is_windows:
        run_powershell('Add-LocalGroupMember -Group %s -Member %s' % (
            quote_powershell(group), quote_powershell(user)), output_format='text')
    else:
        run(['usermod', '-a', '-G', group, user])


@not_on_macos
def remove_user_from_group(user, group):
    """Takes a user out of a local group."""
    _name(user), _name(group)
    if context.is_windows:
        run_powershell('Remove-LocalGroupMember -Group %s -Member %s' % (
            quote_powershell(group), quote_powershell(user)), output_format='text')
    else:
        run(['gpasswd', '-d', user, group])


def local_users():
    """Lists the names of the local users."""
    if context.is_windows:
        return _rows(run_powershell('Get-LocalUser | Select-Object -ExpandProperty Name'))
    import pwd
    return [entry.pw_name for entry in pwd.getpwall()]


def local_groups():
    """Lists the names of the local groups."""
    if context.is_windows:
        return _rows(run_powershell('Get-LocalGroup | Select-Object -ExpandProperty Name'))
    import grp
    return [entry.gr_name for entry in grp.getgrall()]


def local_group_members(groupname):
    """Lists the members of a local group."""
    if context.is_windows:
        return _rows(run_powershell('Get-LocalGroupMember -Group %s | Select-Object '
                                    '-ExpandProperty Name' % quote_powershell(groupname)))
    import grp
    import pwd
    try:
        group = grp.getgrnam(groupname)
    except KeyError:
        raise EWaptInstallError('there is no group %s' % groupname) from None
    primary = [entry.pw_name for entry in pwd.getpwall() if entry.pw_gid == group.gr_gid]
    return sorted(set(group.gr_mem) | set(primary))


def local_group_memberships(username):
    """Lists the local groups of a user."""
    return get_groups(username)


def local_admins():
    """Lists who administers the machine."""
    if context.is_windows:
        return _rows(run_powershell("Get-LocalGroupMember -SID 'S-1-5-32-544' | Select-Object "
                                    '-ExpandProperty Name'))
    import grp
    import pwd
    admins = {entry.pw_name for entry in pwd.getpwall() if entry.pw_uid == 0}
    for entry in grp.getgrall():
        if entry.gr_name in ('sudo', 'wheel'):
            admins.update(entry.gr_mem)
    return sorted(admins)


def get_groups(user):
    """Lists the groups of a user."""
    if context.is_windows:
        name = quote_powershell(user)
        return _rows(run_powershell(
            'Get-LocalGroup | Where-Object { (Get-LocalGroupMember $_).Name -like '
            "('*\\' + %s) } | Select-Object -ExpandProperty Name" % name))
    import grp
    import pwd
    try:
        primary = pwd.getpwnam(user).pw_gid
    except KeyError:
        raise EWaptInstallError('there is no user %s' % user) from None
    return sorted({entry.gr_name for entry in grp.getgrall()
                   if user in entry.gr_mem or entry.gr_gid == primary})


@needs_windows
def get_user_from_sid(sid):
    """Returns DOMAIN\\name of a security identifier."""
    return run_powershell('(New-Object Security.Principal.SecurityIdentifier(%s)).Translate('
                          '[Security.Principal.NTAccount]).Value' % quote_powershell(sid))


@needs_windows
def get_profile_path(sid):
    """Returns the profile folder of a security identifier."""
    from .windows_registry import HKEY_LOCAL_MACHINE, registry_readstring
    return os.path.expandvars(registry_readstring(
        HKEY_LOCAL_MACHINE,
        r'SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList\%s' % sid,
        'ProfileImagePath'))


@needs_windows(advice='on Linux use local_users() and user_home_directory()')
def get_profiles_users(domain_sid=None):
    """Lists the security identifiers that have a profile, of one domain when given."""
    from .windows_registry import (HKEY_LOCAL_MACHINE, reg_enum_subkeys, reg_openkey_noredir)
    with reg_openkey_noredir(HKEY_LOCAL_MACHINE, r'SOFTWARE\Microsoft\Windows NT\CurrentVersion'
                             r'\ProfileList') as key:
        return [sid for sid in reg_enum_subkeys(key) if sid.startswith('S-1-5-21-')
                and (domain_sid is None or sid.startswith(domain_sid))]


@needs_windows(advice='on Linux use local_users_profiles()')
def get_local_profiles():
    """Lists {sid, profile_path} of the users with a profile."""
    return [{'sid': sid, 'profile_path': get_profile_path(sid)} for sid in get_profiles_users()]
