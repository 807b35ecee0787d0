"""The job that the agent hands over as a JSON file."""

import json

HOOKS = ('install', 'uninstall', 'audit', 'session_setup', 'update_package')


class Job:
    """What is to be run: script, package, parameters and what is known of the agent."""

    def __init__(self, values):
        self.nonce = str(values['nonce'])
        self.hook = values['hook']
        if self.hook not in HOOKS:
            raise ValueError('unknown hook %r, expected one of %s' % (self.hook,
                                                                      ', '.join(HOOKS)))
        self.setup_py = values.get('setup_py') or ''
        self.package_dir = values.get('package_dir') or None
        self.control = values.get('control') or {}
        self.params = dict(values.get('params') or {})
        self.force = bool(values.get('force'))
        self.root = values.get('root') or ''
        self.persistent_dir = values.get('persistent_dir') or None
        self.persistent_source_dir = values.get('persistent_source_dir') or None
        self.user = values.get('user') or None
        self.usergroups = list(values.get('usergroups') or [])
        self.language = values.get('language') or None
        keys = values.get('uninstallkey')
        self.uninstallkey = None if keys is None else [keys] if isinstance(keys, str) \
            else [str(key) for key in keys]
        self.umask = values.get('umask')
        #: Where the script begins when there is no package folder.
        self.working_dir = values.get('working_dir') or None
        self.wapt = values.get('wapt') or {}

    @classmethod
    def read(cls, path):
        """Reads the job file."""
        with open(path, encoding='utf-8-sig') as file:
            return cls(json.load(file))
