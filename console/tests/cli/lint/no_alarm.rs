//! Scripts and packages that are right, of others and of ours, raise no alarm.

use super::{codes, repository, sources};
use crate::support::Place;

#[test]
fn packages_that_others_made_are_linted_as_they_are() {
    let place = Place::new();
    for folder in ["repo", "chain", "repo-host"] {
        for entry in fs_err::read_dir(repository("tests/golden").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "wapt") {
                continue;
            }
            let mut codes = codes(&place, path.to_str().unwrap());
            // Icons and descriptions are those of a test, and a unit has the raw name of its directory.
            let is_alarm = |finding: &String| {
                !finding.ends_with(":note")
                    && !finding.contains(":icon:")
                    && !finding.contains(":package:")
                    && !finding.contains("empty-description")
            };
            codes.retain(is_alarm);
            assert_eq!(codes, Vec::<String>::new(), "{}", path.display());
        }
    }
}

#[test]
fn our_own_packages_have_no_finding() {
    let place = Place::new();
    let mut linted = 0;
    for folder in ["assets/demo", "assets/examples"] {
        let Ok(entries) = fs_err::read_dir(repository(folder)) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.join("WAPT/control").is_file() {
                let found = codes(&place, path.to_str().unwrap());
                assert_eq!(found, Vec::<String>::new(), "{}", path.display());
                linted += 1;
            }
        }
    }
    assert!(linted >= 7);
}

/// The ways in which published scripts are written, each of which works.
const IDIOMS: [&str; 12] = [
    // Modules that come out of the star import, relative patterns, helpers named and not called.
    "from setuphelpers import *\nuninstallkey = []\ndef install():\n    for exe in glob.glob('*.exe'):\n        \
     install_exe_if_needed(exe, silentflags='/S', key='A', min_version=control.version.split('-', 1)[0])\n    \
     filecopyto('a.ini', makepath(programfiles, 'A', 'a.ini'))\n    if isdir(makepath(programfiles32, 'A')):\n        \
     remove_tree(makepath(user_appdata, 'A'))\n    print(os.path.join(basedir, 'x'))\n",
    // A list that nobody defines, and a removal by hand.
    "from setuphelpers import *\ndef install():\n    install_msi_if_needed('a.msi', killbefore='a.exe')\n    \
     uninstallkey.remove('{0}')\n",
    // A configuration read while the script loads.
    "# -*- coding: utf-8 -*-\nfrom setuphelpers import *\nimport configparser\nimport json\nuninstallkey = []\n\
     config = configparser.ConfigParser()\nconfig.read('conf.ini')\nhere = os.path.dirname(os.path.abspath(__file__))\n\
     def install():\n    audit()\ndef audit():\n    if not isfile(here):\n        return 'WARNING'\n    return \"OK\"\n",
    // Hooks that call each other, control as object and mapping, injected names.
    "from setuphelpers import *\nuninstallkey = []\ndef install():\n    uninstall()\n    print(control['version'], \
     control.version, params.get('company'), force, WAPT.wapt_base_dir, persistent_dir, language, user, usergroups)\n\
     def uninstall():\n    for to_uninstall in installed_softwares(name='^7-Zip'):\n        \
     run(uninstall_cmd(to_uninstall['key']), accept_returncodes=[0, 3010])\n        \
     wait_uninstallkey_absent(to_uninstall['key'])\n",
    // A fallback for another version of Python.
    "from setuphelpers import *\ntry:\n    import winreg\nexcept ImportError:\n    import _winreg as winreg\n\
     try:\n    unicode\nexcept NameError:\n    unicode = str\nif sys.version_info[0] < 3:\n    text = unichr(9)\n\
     uninstallkey = []\ndef install():\n    print(unicode(winreg.HKEY_LOCAL_MACHINE))\n",
    // Callbacks with the entry of the registry, comparisons of versions.
    "from setuphelpers import *\nuninstallkey = []\ndef get_version(entry):\n    return entry['version'].split(' ')[-1]\n\
     def install():\n    install_exe_if_needed('a.exe', '/S', key='A', get_version=get_version)\n    \
     if Version(control.version) < Version('2.0', 2) or windows_version() < Version('10'):\n        error('too old')\n",
    // PowerShell, a context manager, errors of Windows.
    "from setuphelpers import *\nimport subprocess\nuninstallkey = []\ndef install():\n    try:\n        \
     with EnsureWUAUServRunning():\n            print(run_powershell('Get-Date'))\n    except WindowsError as e:\n        \
     print(e)\n    killalltasks(control.impacted_process.split(','))\n    registry_set(HKEY_LOCAL_MACHINE, r'SOFTWARE\\A', 'b', 1, \
     type=REG_DWORD)\n",
    // Fetching a new version.
    "from setuphelpers import *\nimport requests\nfrom bs4 import BeautifulSoup\nuninstallkey = []\ndef install():\n    \
     pass\ndef update_package():\n    proxies = get_proxies_from_wapt_console()\n    if not proxies:\n        \
     proxies = get_proxies()\n    for bs_search in bs_find_all('https://example.org', 'a', 'class', 'x', proxies=proxies):\n        \
     version = bs_search['href'].split('/')[-1]\n    latest = json.loads(wgets('https://example.org/x', proxies=proxies))\n    \
     wget(latest['url'], 'a.exe', proxies=proxies)\n    remove_outdated_binaries(version)\n    \
     control.set_software_version(version)\n    control.save_control_to_wapt()\n    return True\n",
    // Functions that define globals, nested functions, comprehensions, lambdas, walrus, classes.
    "from setuphelpers import *\nuninstallkey = []\ndef prepare():\n    global folder\n    folder = makepath(systemdrive, 'a')\n\
     def install():\n    prepare()\n    def inner(x):\n        return folder + x + other\n    other = 'b'\n    \
     names = [name for name in all_files('.') if (size := len(name)) > 3]\n    print(sorted(names, key=lambda n: n.lower()), size)\n    \
     print({k: v for k, v in params.items()}, *map(inner, names))\nclass Tool(object):\n    default = 1\n    \
     def start(self, value=default):\n        return self, value, __name__\n",
    // Linux: the real helpers of distributions.
    "from setuphelpers import *\nuninstallkey = []\ndef install():\n    if type_debian():\n        update_apt()\n        \
     install_apt('vim')\n    elif type_redhat():\n        install_yum('vim')\n    else:\n        error('not known')\n",
    // logger, reports, the module by its own name.
    "from setuphelpers import *\nimport setuphelpers\nimport logging\nuninstallkey = []\nlogger = logging.getLogger()\n\
     def install():\n    setuphelpers.run('echo x')\n    logger.info(u'%s' % ensure_unicode('x'))\n    print(f\"{control.package!r}\")\n",
    // A helper file of the package.
    "from setuphelpers import *\nfrom include import helper\nuninstallkey = []\ndef install():\n    helper()\n",
];

#[test]
fn published_ways_of_writing_raise_no_alarm() {
    for script in IDIOMS {
        let place = sources(script);
        place.write("demo/include.py", "def helper():\n    pass\n");
        let mut found = codes(&place, "demo");
        found.retain(|finding| !finding.ends_with(":note"));
        assert_eq!(found, Vec::<String>::new(), "{script}");
    }
}
