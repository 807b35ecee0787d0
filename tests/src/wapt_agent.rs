//! What a WAPT agent leaves on a machine: configuration, status database, certificates, host key, kept files.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::World;

/// The identifier of the machine that [`wapt_agent`] managed.
pub const WAPT_UUID: &str = "4C4C4544-0042-3510-8052-B4C04F4E4D32";

/// Makes `waptdb.sqlite` with the tables of schema 20200415 and what an agent of some years has in it.
const DATABASE: &str = r#"
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
columns = ('package_uuid package version version_pinning explicit_by architecture section priority maturity locale '
           'install_date install_status install_output install_params uninstall_key setuppy process_id depends conflicts '
           'last_audit_on last_audit_status last_audit_output next_audit_on impacted_process audit_schedule '
           'persistent_dir').split()
connection.execute('CREATE TABLE wapt_localstatus (id INTEGER PRIMARY KEY AUTOINCREMENT, %s)'
                   % ', '.join('%s VARCHAR' % name for name in columns))
connection.execute('CREATE TABLE wapt_params (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR, value TEXT, '
                   'ptype VARCHAR, create_date VARCHAR)')
connection.execute('CREATE TABLE wapt_task (id INTEGER PRIMARY KEY AUTOINCREMENT, uuid VARCHAR, state VARCHAR)')

MARKER = ('from setuphelpers import *\n\n\ndef marker():\n    return makepath(programfiles(), control.package + ".txt")\n\n\n'
          'def install():\n    mkdirs(programfiles())\n    with open(marker(), "w") as file:\n        file.write("again")\n\n\n'
          'def uninstall():\n    remove_file(marker())\n    print(open(makepath(persistent_dir, "kept.txt")).read())\n'
          '    print("secret", WAPT.read_param("site_code"), params["company"])\n\n\n'
          'def audit():\n    return "OK"\n')

def row(**values):
    values = dict(dict(section='base', architecture='all', priority='optional', maturity='PROD', install_status='OK',
                       explicit_by='admin', install_date='2020-05-01T10:00:00.123456', uninstall_key='[]',
                       install_params='{}', setuppy=MARKER), **values)
    names = sorted(values)
    connection.execute('INSERT INTO wapt_localstatus (%s) VALUES (%s)' % (', '.join(names), ', '.join('?' * len(names))),
                       [values[name] for name in names])

row(package='demo-app', version='2.0-1', package_uuid='11111111-2222-3333-4444-555555555555', depends='demo-lib',
    install_params='{"company": "Example"}', uninstall_key='["demo_key"]', audit_schedule='1d',
    last_audit_on='2020-06-01T10:00:00', last_audit_status='OK', last_audit_output='all well',
    next_audit_on='2020-06-02T10:00:00', install_output='Installed.\n')
row(package='demo-lib', version='1.0-0', package_uuid='22222222-2222-3333-4444-555555555555', explicit_by=None)
row(package='demo-old', version='0.9-0', package_uuid='33333333-2222-3333-4444-555555555555', install_status='ERROR')
row(package='demo-group', version='1-0', section='group', setuppy=None)
row(package=sys.argv[2].lower(), version='7', section='host', setuppy=None, depends='demo-app')
for name, value, kind in (('uuid', sys.argv[2], 'str'), ('last_update_status', '{}', 'json'),
                          ('site_code', 'S17', 'str'), ('status_revision', '412', 'int')):
    connection.execute('INSERT INTO wapt_params (name, value, ptype) VALUES (?, ?, ?)', (name, value, kind))
connection.commit()
"#;

/// Makes the folder of a WAPT agent, `wapt` below `parent`, as an agent of some years has it.
///
/// # Panics
/// When it cannot be made.
pub fn wapt_agent(world: &World, parent: &Path) -> PathBuf {
    let base = parent.join("wapt");
    for folder in [
        "db",
        "ssl/server",
        "private/persistent/11111111-2222-3333-4444-555555555555/deep",
    ] {
        fs_err::create_dir_all(base.join(folder)).unwrap();
    }
    let database = base.join("db/waptdb.sqlite");
    let made = Command::new("python3")
        .args(["-c", DATABASE])
        .arg(&database)
        .arg(WAPT_UUID)
        .status()
        .unwrap();
    assert!(made.success());
    fs_err::write(
        base.join("wapt-get.ini"),
        "[global]\r\nrepo_url=https://wapt.example.lan/wapt\r\nuse_hostpackages=1\r\nverify_cert=ssl/server/wapt.pem\r\n\
         waptupdate_task_period=120\r\nmaturities=PROD,PREPROD\r\nwaptservice_password=5e884898da28047151d0e56f8dc62927\r\n",
    )
    .unwrap();
    fs_err::copy(world.people().join("alice.crt"), base.join("ssl/alice.crt")).unwrap();
    fs_err::write(base.join("ssl/broken.crt"), "not a certificate").unwrap();
    let golden = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/golden"));
    fs_err::copy(world.people().join("alice.crt"), base.join("ssl/server/wapt.pem")).unwrap();
    fs_err::copy(
        golden.join("keys/leaf.pem"),
        base.join(format!("private/{WAPT_UUID}.pem")),
    )
    .unwrap();
    let kept = base.join("private/persistent/11111111-2222-3333-4444-555555555555");
    fs_err::write(kept.join("kept.txt"), "kept by the installation").unwrap();
    fs_err::write(kept.join("deep/more.txt"), "more").unwrap();
    base
}
