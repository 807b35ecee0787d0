//! Why a key of `wapt-get.ini` has no counterpart.

/// Keys that are about building packages: they are settings of a person's console, not of an agent.
const OF_CONSOLES: [&str; 13] = [
    "personal_certificate_path",
    "private_key",
    "default_package_prefix",
    "default_sources_root",
    "default_sources_root_host",
    "default_sources_suffix",
    "default_sources_url",
    "default_maturity",
    "upload_cmd",
    "upload_cmd_host",
    "after_upload",
    "editor_for_packages",
    "sign_digests",
];

const SYSTEM_SAYS_WHO_ASKS: &str = "the system says who asks: administrators may, nobody needs a password";
const OWN_FOLDERS: &str = "the agent has its own folders; --root moves them all";
const OWN_KEY: &str = "the agent proves who it is with the key that it makes when it enrols";
const TO_THE_JOURNAL: &str = "the agent logs to the system's journal; MUSTER_LOG sets what";
const NO_TOKENS: &str = "there are no local tokens: the system says who asks";
const AT_SHUTDOWN: &str =
    "upgrade_at_shutdown says whether what waits is upgraded when the machine goes down";

/// Single keys.
const REASONS: [(&str, &str); 26] = [
    (
        "dnsdomain",
        "the server is named in wapt_server; it is not searched in DNS",
    ),
    (
        "language",
        "the language is the system's; locales says which packages are wanted",
    ),
    (
        "public_certs_dir",
        "trusted certificates lie in the trust folder of the agent: copy them there",
    ),
    ("client_certificate", OWN_KEY),
    ("client_private_key", OWN_KEY),
    (
        "use_kerberos",
        "hosts enrol with a token: muster-agent register --token",
    ),
    ("private_dir", OWN_FOLDERS),
    ("persistent_root_dir", OWN_FOLDERS),
    ("dbpath", OWN_FOLDERS),
    ("wapt_server_timeout", "the time limit of the server is fixed"),
    ("token_lifetime", NO_TOKENS),
    ("secret_key", NO_TOKENS),
    ("loglevel", TO_THE_JOURNAL),
    (
        "log_to_windows_events",
        "what an administrator should know is always in the event log",
    ),
    (
        "waptservice_port",
        "the local interface is a socket that only this machine reaches; it has no port",
    ),
    ("waptservice_user", SYSTEM_SAYS_WHO_ASKS),
    ("waptservice_password", SYSTEM_SAYS_WHO_ASKS),
    ("service_auth_type", SYSTEM_SAYS_WHO_ASKS),
    ("signature_clockskew", "signed actions carry their own validity"),
    ("notify_user", "there is no tray yet"),
    ("allow_cancel_upgrade", AT_SHUTDOWN),
    ("waptexit_countdown", AT_SHUTDOWN),
    ("waptexit_disable_upgrade", AT_SHUTDOWN),
    ("hiberboot_enabled", AT_SHUTDOWN),
    ("max_gpo_script_wait", AT_SHUTDOWN),
    (
        "reconfig_on_network_change",
        "the agent looks anew at every change of the network",
    ),
];

/// Whole families of keys.
const FAMILIES: [(&str, &str); 5] = [
    ("loglevel_", TO_THE_JOURNAL),
    ("ldap_auth", SYSTEM_SAYS_WHO_ASKS),
    ("verify_cert_ldap", SYSTEM_SAYS_WHO_ASKS),
    (
        "websockets_",
        "the channel to the server has fixed times and checks the server as everything else does",
    ),
    ("waptservice_", "the service has no such setting"),
];

/// Why a key is not taken.
pub(super) fn of(key: &str) -> String {
    let single = REASONS.iter().find(|(name, _)| *name == key);
    let family = || FAMILIES.iter().find(|(beginning, _)| key.starts_with(beginning));
    match single.or_else(family) {
        Some((_, reason)) => (*reason).to_owned(),
        None if OF_CONSOLES.contains(&key) => {
            "a setting of who builds packages: it belongs to console.toml".to_owned()
        }
        None => "the agent has no such setting".to_owned(),
    }
}
