"""What each hook means: what happens around it, and what its answer says."""

from setuphelpers import context
from setuphelpers.context import logger
from setuphelpers.errors import EWaptInstallError, EWaptMissingParameters
from setuphelpers.process import run
from setuphelpers.processlist import killalltasks
from setuphelpers.software import software_keys, uninstall_key_exists, wait_until
from setuphelpers.uninstall import uninstall_cmd

#: Some Windows installers write their uninstall key after they have ended, and some uninstallers
#: work on in another process; package managers of Linux have everything written when they end.
KEY_WAIT_SECS = 30 if context.is_windows else 0
#: Done, product unknown (already gone), done and restart begun or needed.
UNINSTALL_CODES = (0, 1605, 1641, 3010)
_AUDIT_RANK = {'OK': 0, 'UNKNOWN': 1, 'WARNING': 2, 'ERROR': 3}


def shown(value):
    """Writes the value a hook returned as text for the result."""
    if value is None or isinstance(value, str):
        return value
    return repr(value)


def missing_keys(keys):
    """Lists the uninstall keys that neither registry view (or package list) has."""
    return [key for key in keys if not uninstall_key_exists(key)]


def run_install(script, result):
    """install(): parameters first, then the hook, then the uninstall keys."""
    lacking = script.missing_parameters()
    if lacking:
        raise EWaptMissingParameters('required parameters are missing: %s' % ', '.join(lacking))
    hook = script.hook('install')
    result['absent'] = hook is None
    if hook is None:
        return
    before = _known_keys()
    try:
        value = hook()
        result['value'] = shown(value)
        result['status'] = 'OK' if value is None or value == 0 else str(value)
        keys = script.uninstall_keys()
        if not wait_until(lambda: not missing_keys(keys), KEY_WAIT_SECS):
            result['missing_keys'] = missing_keys(keys)
    finally:
        result['uninstallkey'] = script.uninstall_keys()
        if before is not None:
            result['new_keys'] = sorted((_known_keys() or set()) - before)
    if result['missing_keys']:
        raise EWaptInstallError('install() ended, but these uninstall keys are missing: %s'
                                % ', '.join(result['missing_keys']))


def _known_keys():
    """Returns all keys, or None where the machine has no list of its software."""
    try:
        return software_keys()
    except (EWaptInstallError, OSError) as error:
        logger.debug('installed software is unknown: %s', error)
        return None


def run_uninstall(script, result):
    """uninstall(): ends the processes, runs the keys' commands, then the hook."""
    hook = script.hook('uninstall')
    result['absent'] = hook is None
    processes = context.impacted_processes()
    if processes:
        killalltasks(processes)
    keys = script.uninstall_keys()
    for key in keys:
        _uninstall_key(key, script.job.force)
    # An uninstaller may copy itself away and work on after it has ended.
    if not wait_until(lambda: not _present_keys(keys), KEY_WAIT_SECS):
        print('these uninstall keys are still there after %s s: %s'
              % (KEY_WAIT_SECS, ', '.join(_present_keys(keys))))
    for command in commands_of(script.names.get('uninstallstring')):
        _uninstall_command(command, script.job.force)
    if hook is not None:
        result['value'] = shown(hook())
    result['uninstallkey'] = keys
    result['status'] = 'OK'


def _present_keys(keys):
    return [key for key in keys if uninstall_key_exists(key)]


def commands_of(value):
    """Accepts one command or a list of them; a comma belongs to the command."""
    return [value] if isinstance(value, str) and value else list(value or [])


def _uninstall_key(key, force):
    if not uninstall_key_exists(key):
        print('uninstall key %s is already gone' % key)
        return
    try:
        command = uninstall_cmd(key)
    except EWaptInstallError as error:
        if not force:
            raise
        print('%s; going on because the removal is forced' % error)
        return
    print('uninstalling %s: %s' % (key, command))
    _uninstall_command(command, force)


def _uninstall_command(command, force):
    try:
        output = run(command, accept_returncodes=UNINSTALL_CODES)
        if output.strip():
            print(output.rstrip('\n'))
    except Exception as error:
        if not force:
            raise
        print('%s; going on because the removal is forced' % error)


def run_audit(script, result):
    """audit(): the hook's word, and ERROR when an uninstall key is missing."""
    hook = script.hook('audit')
    result['absent'] = hook is None
    keys = script.uninstall_keys()
    result['uninstallkey'] = keys
    result['missing_keys'] = missing_keys(keys)
    status = 'OK'
    if hook is not None:
        value = hook()
        result['value'] = shown(value)
        status = value if value in ('OK', 'WARNING', 'ERROR') else 'UNKNOWN'
    if result['missing_keys']:
        print('uninstall keys are missing: %s' % ', '.join(result['missing_keys']))
        status = max(status, 'ERROR', key=_AUDIT_RANK.__getitem__)
    result['status'] = status


def run_session_setup(script, result):
    """session_setup(): a true answer asks to be run again at the next logon."""
    hook = script.hook('session_setup')
    result['absent'] = hook is None
    value = hook() if hook is not None else None
    result['value'] = shown(value)
    result['status'] = 'RETRY' if value else 'OK'


def run_update_package(script, result):
    """update_package(): a true answer says that sources or control changed."""
    hook = script.hook('update_package')
    result['absent'] = hook is None
    before = script.control.as_dict()
    value = hook() if hook is not None else None
    has_changed = script.control.as_dict() != before
    if has_changed and script.control.sourcespath:
        script.control.save_control_to_wapt()
    result['value'] = shown(value)
    result['changed'] = bool(value) or has_changed
    result['status'] = 'OK'


RUNNERS = {'install': run_install, 'uninstall': run_uninstall, 'audit': run_audit,
           'session_setup': run_session_setup, 'update_package': run_update_package}
