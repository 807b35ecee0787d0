"""The object WAPT of scripts: what a script may know of the agent that runs it, and ask of it."""

import configparser
import os
import types

from . import context
from .errors import EWaptException
from .package import PackageEntry
from .package_request import PackageRequest
from .software import installed_softwares, uninstall_key_exists
from .text import ensure_list
from .uninstall import uninstall_cmd

#: Packages with these statuses count as installed.
_INSTALLED = ('OK', 'WARNING', 'UNKNOWN')
_INSTEAD = {
    'update': 'the agent updates by itself; use muster-agent update',
    'upgrade': 'the agent upgrades by itself; use muster-agent upgrade',
    'list_upgrade': 'use muster-agent list-upgrade',
    'register_computer': 'use muster-agent register',
    'update_server_status': 'the agent reports by itself after every task',
    'waptdb': 'the database belongs to the agent: use is_installed() and read_param()',
}


class Section(types.SimpleNamespace):
    """A group of values readable as attributes and as items."""

    def __getitem__(self, name):
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    def get(self, name, default=None):
        return getattr(self, name, default)


class Settings(configparser.RawConfigParser):
    """The agent's settings; get(section, key) takes a default as third argument too."""

    def get(self, section, option, *default, **options):
        if default:
            options.setdefault('fallback', default[0])
        return super().get(section, option, **options)


class Server:
    """The server of the agent (WAPT.waptserver); requests carry no credentials."""

    def __init__(self, server_url, verify_cert, http_proxy):
        self.server_url = server_url
        self.verify_cert = verify_cert
        self.http_proxy = http_proxy
        self.proxies = {'http': http_proxy, 'https': http_proxy} if http_proxy else None

    def get(self, action, auth=None, timeout=10):
        """Returns the JSON behind a path of the server that anybody may read.

        Raises EWaptException for credentials: scripts have none to give.
        """
        if auth is not None:
            raise EWaptException('WAPT.waptserver.get() sends no credentials: talk to the server '
                                 'with the command line tool muster')
        from .net import wgets
        return wgets('%s/%s' % (self.server_url.rstrip('/'), action.lstrip('/')),
                     proxies=self.proxies, verify_cert=self.verify_cert, timeout=timeout,
                     as_json=True)

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        raise EWaptException('WAPT.waptserver.%s is not available to scripts: talk to the server '
                             'with the command line tool muster' % name)


class AgentView:
    """What scripts see of the agent (WAPT).

    What they write is kept by the agent when the hook is over; what it does not offer
    says what to do instead.
    """

    def __init__(self, values, force=False):
        self.host_uuid = values.get('host_uuid')
        self.wapt_base_dir = values.get('wapt_base_dir')
        self.private_dir = values.get('private_dir')
        self.config_filename = values.get('config_filename')
        self.version = values.get('version')
        self.waptwua_enabled = bool(values.get('waptwua_enabled'))
        self.options = Section(force=force)
        self.config = _settings(values.get('config') or {})
        self.repositories = [self._repository(repository)
                             for repository in values.get('repositories') or []]
        #: What the result brings to the agent.
        self.written_params, self.audit_changes, self.orders = {}, [], []
        self._params = dict(values.get('params') or {})
        self._audit_data = {section: dict(keys) for section, keys
                            in (values.get('audit_data') or {}).items()}
        self._installed = values.get('installed')
        self._may_order = values.get('may_order', False)
        self._may_keep = self._installed is not None

    def _repository(self, given):
        """Makes an object with repo_url, name, http_proxy, verify_cert of what the job names."""
        settings = dict(given) if isinstance(given, dict) else {'repo_url': given}
        settings.setdefault('name', 'wapt')
        settings.setdefault('http_proxy', self._global('http_proxy') or None)
        settings.setdefault('verify_cert', self._verify_cert())
        return Section(**settings)

    def _global(self, name):
        return self.config.get('global', name, '')

    def _verify_cert(self):
        """The system's trust, or the path of a bundle."""
        value = self._global('verify_cert')
        return True if value in ('', '1', 'True') else False if value == '0' else value

    @property
    def waptserver(self):
        """The server, or None for an agent without one."""
        server = self._global('wapt_server')
        return Server(server, self._verify_cert(),
                      self._global('http_proxy') or None) if server else None

    # The agent and this machine.

    def wapt_status(self):
        """Describes the agent."""
        return {'wapt-exe-version': self.version, 'wapt-py-version': self.version,
                'uuid': self.host_uuid, 'config-filename': self.config_filename,
                'repositories': [getattr(repository, '__dict__', repository)
                                 for repository in self.repositories]}

    def uninstall_cmd(self, guid):
        """Returns the silent uninstall command of an uninstall key."""
        return uninstall_cmd(guid)

    def uninstall_key_exists(self, uninstallkey):
        """Tells whether an uninstall key is there."""
        return uninstall_key_exists(uninstallkey)

    def installed_softwares(self, *args, **kwargs):
        """Lists the installed products."""
        return installed_softwares(*args, **kwargs)

    def report_progress(self, percent, text=''):
        """Shows in the console how far the script is."""
        context.report_progress(percent, text)

    def get_host_key(self):
        """Returns the host's private key, whose decrypt() opens secrets made for this host.

        Raises EWaptException when the script may not read it or the host has none.
        """
        from .rsa_keys import load_host_key
        return load_host_key(self.private_dir)

    # Packages.

    def installed(self, include_errors=False):
        """Lists the packages of this machine as entries, each with its `install_status`."""
        if self._installed is None:
            raise EWaptException('what is installed is not known here: the script does not run '
                                 'below an agent')
        return [PackageEntry(**row) for row in self._installed
                if include_errors or row.get('install_status') in _INSTALLED]

    def is_installed(self, packagename, include_errors=False):
        """Returns the entry of an installed package ('name' or 'name(>=1.0)'), or None."""
        request = PackageRequest(packagename)
        for entry in self.installed(include_errors):
            if request.is_matched_by(entry):
                return entry
        return None

    def install(self, apackages, force=False, params_dict=None, **options):
        """Has the agent install packages when the present task is over.

        Returns {'queued': names}; what came of them is not known while the script runs.
        """
        if params_dict:
            raise EWaptException('WAPT.install() takes no parameters: write them into the package')
        if force:
            print('WAPT.install(): force is not passed on: what is installed in that version '
                  'already stays as it is')
        return self._order('install', apackages)

    def remove(self, packages_list, force=False, **options):
        """Has the agent remove packages when the present task is over."""
        return self._order('remove', packages_list)

    def forget_packages(self, packages_list):
        """Has the agent forget packages, leaving their software, when the present task is over."""
        return self._order('forget', packages_list)

    forget = forget_packages

    def _order(self, action, packages):
        names = [name.asrequirement() if isinstance(name, PackageEntry) else str(name)
                 for name in ensure_list(packages)]
        if not names:
            raise EWaptException('WAPT.%s() needs the names of packages' % action)
        own = getattr(context.control, 'package', '')
        for name in names:
            if PackageRequest(name).package == own:
                raise EWaptException('WAPT.%s() cannot act on %s, the package that is running'
                                     % (action, own))
        if not self._may_order:
            raise EWaptException(
                'WAPT.%s(%s) is not possible here: tasks are ordered below an agent, and not by '
                'scripts of a task that a script ordered; name the packages in the attribute '
                'depends or conflicts of the control file' % (action, ', '.join(names)))
        self.orders.append({'action': action, 'packages': names})
        return {'queued': names}

    # Values that the agent keeps.

    def _check_keeping(self, what):
        if not self._may_keep:
            raise EWaptException('WAPT.%s() needs an agent that keeps the value: keep it in a '
                                 'file below persistent_dir' % what)

    def write_param(self, name, value, ptype=None):
        """Has the agent keep a value under a name, for all scripts of this machine."""
        self._check_keeping('write_param')
        if value is None:
            raise EWaptException('WAPT.write_param() cannot keep None: use delete_param()')
        self._params[str(name)] = self.written_params[str(name)] = value

    def read_param(self, name, default=None, ptype=None):
        """Returns a value that was kept, or the default."""
        self._check_keeping('read_param')
        return self._params.get(str(name), default)

    def delete_param(self, name):
        """Has the agent forget a value; one that was never kept is fine."""
        self._check_keeping('delete_param')
        self._params.pop(str(name), None)
        self.written_params[str(name)] = None

    def write_audit_data(self, section, key, value, ptype=None, value_date=None,
                         expiration_date=None, max_count=None, keep_days=None):
        """Has the agent keep a value of an audit: the last one of each section and key."""
        self._check_keeping('write_audit_data')
        if value is None:
            raise EWaptException('WAPT.write_audit_data() cannot keep None: use '
                                 'delete_audit_data()')
        self._audit_data.setdefault(str(section), {})[str(key)] = {'value': value}
        self.audit_changes.append({'section': str(section), 'key': str(key), 'value': value})
        print('audit data %s/%s: %s' % (section, key, value))

    def write_audit_data_if_changed(self, section, key, value, ptype=None, value_date=None,
                                    expiration_date=None, max_count=None, keep_days=None):
        """Like write_audit_data() when the value is another; returns whether it was."""
        if self.read_audit_data(section, key) == value:
            return False
        self.write_audit_data(section, key, value)
        return True

    def read_audit_data(self, section, key, default=None, ptype=None):
        """Returns the last value of a section and key, or the default."""
        self._check_keeping('read_audit_data')
        entry = self._audit_data.get(str(section), {}).get(str(key))
        return default if entry is None else entry['value']

    def delete_audit_data(self, section, key):
        """Has the agent forget the value of a section and key."""
        self._check_keeping('delete_audit_data')
        self._audit_data.get(str(section), {}).pop(str(key), None)
        self.audit_changes.append({'section': str(section), 'key': str(key), 'value': None})

    def changes(self):
        """What the agent is to keep and to do, as the result brings it."""
        return {'written_params': self.written_params, 'audit_data': self.audit_changes,
                'orders': self.orders}

    def __getattr__(self, name):
        if name.startswith('_'):
            raise AttributeError(name)
        advice = _INSTEAD.get(name)
        if advice is None:
            raise AttributeError('WAPT.%s does not exist in Muster' % name)
        raise EWaptException('WAPT.%s is not available to scripts: %s' % (name, advice))


def _settings(values):
    """Makes the settings; values without a section stand in [global]."""
    settings = Settings(strict=False)
    settings['global'] = {}
    for name, value in values.items():
        # Option names of the settings are matched without case, values stay as they are.
        if isinstance(value, dict) and name != 'signers':
            settings[name] = {option: _text(inner) for option, inner in value.items()}
        elif not isinstance(value, dict) and value is not None:
            settings['global'][name] = _text(value)
    return settings


def _text(value):
    if isinstance(value, bool):
        return '1' if value else '0'
    if isinstance(value, (list, tuple)):
        return ','.join(str(item) for item in value)
    return '' if value is None else os.fspath(value) if isinstance(value, os.PathLike) \
        else str(value)
