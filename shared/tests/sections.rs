//! A package of each section: built, verified, read back; and what each section refuses.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::control::Section;
use muster_shared::crypto::{FileSigner, TrustStore};
use muster_shared::package::content::Rules;
use muster_shared::package::{Package, PackageError, Sha1Twins, Unverified, Verified, build, sign};
use muster_shared::protocol::error::ErrorCode;

const RULES: &str =
    r#"{"waptwua": {"enabled": true, "allowed_severities": ["Critical"], "forbidden_kbs": ["123"]}}"#;
const SELF_SERVICE: &str = r#"{"grp1": ["peer-base"]}"#;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn at() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn signer(name: &str) -> FileSigner {
    let keys = golden().join("keys");
    let file = |extension: &str| keys.join(format!("{name}.{extension}"));
    FileSigner::open(&file("crt"), &file("pem"), None).unwrap()
}

fn verified(path: &Path) -> Package<Verified> {
    let trust = TrustStore::from_folder(&golden().join("certs")).unwrap();
    Package::<Unverified>::open(path)
        .unwrap()
        .verify(&trust, at())
        .unwrap()
}

struct Sources {
    folder: tempfile::TempDir,
}

impl Sources {
    fn new(section: Section) -> Self {
        let name = match section {
            Section::Unit => "OU=room1,OU=Dept A,DC=ad,DC=lan".to_owned(),
            Section::Profile => "Domain Computers".to_owned(),
            Section::Host => "4C4C4544-004E".to_owned(),
            other => format!("demo-{other}"),
        };
        let sources = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        sources.write(
            "WAPT/control",
            &format!("package : {name}\nversion : 1-0\narchitecture : all\nsection : {section}\npriority : optional\n"),
        );
        sources
    }

    fn complete(section: Section) -> Self {
        let sources = Self::new(section);
        match section {
            Section::Base | Section::Restricted => sources.write("setup.py", "def install():\n    pass\n"),
            Section::Wsus | Section::WaptWua => sources.write("WAPT/waptwua_rules.json", RULES),
            Section::SelfService => sources.write("WAPT/selfservice.json", SELF_SERVICE),
            Section::Group | Section::Host | Section::Unit | Section::Profile => {}
        }
        sources
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join("src").join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    fn build(&self, by: &str) -> Result<build::Built, PackageError> {
        let folder = self.folder.path();
        let options = build::BuildOptions::default();
        build::build_folder(&folder.join("src"), folder, &signer(by), &options, at())
    }

    fn packages(&self) -> usize {
        let entries = fs_err::read_dir(self.folder.path()).unwrap();
        entries
            .filter(|entry| entry.as_ref().unwrap().path().is_file())
            .count()
    }
}

#[test]
fn a_package_of_each_section_is_built_verified_and_read_back() {
    for section in Section::ALL {
        let sources = Sources::complete(section);
        // Without code, a certificate that may not sign code is enough.
        let by = if section.carries_code() {
            "signer"
        } else {
            "nocode"
        };
        let built = sources.build(by).unwrap();
        let package = verified(&built.path);
        assert_eq!(package.control().section_kind(), Ok(section));
        assert_eq!(package.control().signed_bytes(), built.control.signed_bytes());
        let rules = package.rules().unwrap();
        match section {
            Section::Wsus | Section::WaptWua => {
                let Some(Rules::WindowsUpdate(rules)) = rules else {
                    panic!("rules")
                };
                assert_eq!(rules.enabled, Some(true));
            }
            Section::SelfService => {
                let Some(Rules::SelfService(rules)) = rules else {
                    panic!("rules")
                };
                assert!(rules.allows(&["grp1".to_owned()], "peer-base", Section::Base));
            }
            _ => assert_eq!(rules, None),
        }
        assert_eq!(package.sha1_twins().unwrap(), Sha1Twins::Absent);
        // Signing again keeps the members and the name.
        sign::sign_file(&built.path, &signer(by), at(), false).unwrap();
        assert_eq!(verified(&built.path).control().package(), built.control.package());
    }
}

#[test]
fn units_and_profiles_are_written_with_the_name_that_agents_look_for() {
    let [unit, profile, host] = [Section::Unit, Section::Profile, Section::Host].map(Sources::new);
    let built = unit.build("nocode").unwrap();
    assert_eq!(built.control.package(), "OU=room1_OU=Dept~A_DC=ad_DC=lan");
    assert!(verified(&built.path).control().is_signed("package"));
    let built = profile.build("nocode").unwrap();
    assert_eq!(built.control.package(), "Domain~Computers");
    let built = host.build("nocode").unwrap();
    assert_eq!(built.path.file_name().unwrap(), "4C4C4544-004E.wapt");
}

#[test]
fn sections_without_code_refuse_a_script() {
    for section in Section::ALL.into_iter().filter(|section| !section.carries_code()) {
        for script in ["setup.py", "update_package.py"] {
            let sources = Sources::complete(section);
            sources.write(script, "pass\n");
            let error = sources.build("signer").unwrap_err();
            assert_eq!(error.code(), ErrorCode::PackageControlInvalid);
            assert!(error.to_string().contains(script), "{error}");
            assert_eq!(sources.packages(), 0);
        }
    }
}

#[test]
fn rules_that_are_missing_or_broken_are_refused_by_file_and_key() {
    for (section, file, broken, key) in [
        (
            Section::Wsus,
            "WAPT/waptwua_rules.json",
            r#"{"waptwua": {"allowed_kbs": 1.5e3, "enabled": []}}"#,
            "waptwua.enabled",
        ),
        (
            Section::WaptWua,
            "WAPT/waptwua_rules.json",
            r#"{"install_delay": "soon"}"#,
            "install_delay",
        ),
        (
            Section::SelfService,
            "WAPT/selfservice.json",
            r#"{"grp1": ["a b"]}"#,
            "grp1",
        ),
    ] {
        let sources = Sources::new(section);
        let error = sources.build("signer").unwrap_err();
        assert!(error.to_string().contains(file), "{error}");
        sources.write(file, broken);
        let error = sources.build("signer").unwrap_err();
        assert_eq!(error.code(), ErrorCode::PackageControlInvalid);
        let text = error.to_string();
        assert!(text.contains(file) && text.contains(key), "{text}");
        assert_eq!(sources.packages(), 0);
    }
}

#[test]
fn signing_again_checks_the_section_too() {
    // The predecessor's tools let a group carry a script; its signature holds, and we do not sign it again.
    let sources = Sources::complete(Section::Base);
    let built = sources.build("signer").unwrap();
    let package = Package::<Unverified>::open(&built.path).unwrap();
    let copy = sign::Copy {
        control: built.control.clone().with("section", "group"),
        keep_unknown: false,
        without: &[],
    };
    let target = sources.folder.path().join("group.wapt");
    let error = sign::sign_changed(&package, copy.clone(), &target, &signer("signer"), at()).unwrap_err();
    assert!(error.to_string().contains("carry no code"), "{error}");
    let without = sign::Copy {
        without: &["setup.py"],
        ..copy
    };
    sign::sign_changed(&package, without, &target, &signer("signer"), at()).unwrap();
    assert_eq!(verified(&target).rules().unwrap(), None);
}

#[test]
fn the_golden_packages_keep_the_rules_of_their_sections() {
    let rules = |file: &str| verified(&golden().join("repo").join(file)).rules().unwrap();
    let Some(Rules::SelfService(own)) = rules("peer-selfservice_1.wapt") else {
        panic!("rules")
    };
    assert_eq!(own.groups().count(), 1);
    let Some(Rules::WindowsUpdate(updates)) = rules("peer-waptwua_1.wapt") else {
        panic!("rules")
    };
    assert!(updates.forbidden.0.kbs.contains("123"));
    for entry in fs_err::read_dir(golden().join("repo")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "wapt") {
            verified(&path).rules().unwrap();
        }
    }
}
