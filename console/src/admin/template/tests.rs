//! Tests of new sources.

use muster_shared::control::Control;

use super::*;
use crate::admin::installer;

fn request(parent: &Path) -> NewPackage {
    NewPackage {
        name: Some("hello".into()),
        prefix: Some("demo".into()),
        maintainer: "Alice".into(),
        ..NewPackage::into_folder(parent)
    }
}

fn control(made: &NewSources) -> Control {
    Control::parse(&fs_err::read(made.folder.join("WAPT/control")).unwrap()).unwrap()
}

const EDITORS: [&str; 4] = [
    "WAPT/wapt.psproj",
    ".vscode/tasks.json",
    ".vscode/launch.json",
    ".vscode/settings.json",
];

#[test]
fn new_sources_have_a_control_that_may_be_signed() {
    let dir = tempfile::tempdir().unwrap();
    let made = create(&request(dir.path())).unwrap();
    assert_eq!(made.package, "demo-hello");
    assert_eq!(made.files[..2], ["WAPT/control", "setup.py"]);
    assert_eq!(made.files[2..], EDITORS);
    assert_eq!(control(&made).problems_for_signing(), []);
    assert_eq!(control(&made).get("maintainer"), "Alice");
    let code = fs_err::read_to_string(made.folder.join("setup.py")).unwrap();
    assert!(code.contains("demo-hello") && !code.contains("@package@"));
}

#[test]
fn a_folder_becomes_the_payload() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("payload");
    fs_err::create_dir_all(source.join("sub")).unwrap();
    fs_err::write(source.join("sub/b.txt"), "b").unwrap();
    fs_err::write(source.join("a.txt"), "a").unwrap();
    let made = create(&NewPackage {
        installer: Some(installer::read(&source).unwrap()),
        ..request(dir.path())
    })
    .unwrap();
    assert!(
        made.files
            .ends_with(&["files/a.txt".to_owned(), "files/sub/b.txt".to_owned()])
    );
    assert_eq!(fs_err::read(made.folder.join("files/sub/b.txt")).unwrap(), b"b");
    assert_eq!(control(&made).get("target_os"), "");
    let inside = NewPackage {
        installer: Some(installer::read(&source).unwrap()),
        parent: source.join("sub"),
        ..request(dir.path())
    };
    assert!(matches!(create(&inside), Err(TemplateError::Inside { .. })));
}

#[test]
fn packages_without_code_carry_their_rules_and_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let group = NewPackage {
        name: Some("demo-office".into()),
        section: Section::Group,
        depends: "demo-a, demo-b(>=2)".into(),
        ..request(dir.path())
    };
    assert_eq!(create(&group).unwrap().files, ["WAPT/control"]);
    fs_err::create_dir(dir.path().join("tools")).unwrap();
    let with_files = NewPackage {
        name: Some("demo-other".into()),
        installer: Some(installer::read(&dir.path().join("tools")).unwrap()),
        ..group.clone()
    };
    assert!(matches!(create(&with_files), Err(TemplateError::NoFiles { .. })));
    for (section, name, files) in [
        (
            Section::Wsus,
            "updates",
            vec!["WAPT/control", "WAPT/waptwua_rules.json"],
        ),
        (
            Section::SelfService,
            "shop",
            vec!["WAPT/control", "WAPT/selfservice.json"],
        ),
        (Section::Profile, "Room PCs", vec!["WAPT/control"]),
        (Section::Host, "4C4C4544-004E", vec!["WAPT/control"]),
    ] {
        let made = create(&NewPackage {
            name: Some(name.into()),
            section,
            ..group.clone()
        })
        .unwrap();
        assert_eq!(made.files, files, "{section}");
        assert_eq!(control(&made).problems_for_signing(), []);
    }
    assert!(dir.path().join("Room~PCs").is_dir());
}

#[test]
fn a_unit_is_named_after_its_distinguished_name() {
    let dir = tempfile::tempdir().unwrap();
    let unit = NewPackage {
        name: None,
        section: Section::Unit,
        dn: Some("OU=Room 1, DC=ad,DC=lan".into()),
        ..request(dir.path())
    };
    assert_eq!(create(&unit).unwrap().package, "OU=Room~1_DC=ad_DC=lan");
    let nonsense = NewPackage {
        dn: Some("room 1".into()),
        ..unit.clone()
    };
    assert!(matches!(create(&nonsense), Err(TemplateError::NotADn { .. })));
    let wrong = NewPackage {
        section: Section::Group,
        ..unit.clone()
    };
    assert!(matches!(create(&wrong), Err(TemplateError::NoUnit { .. })));
    let nameless = NewPackage { dn: None, ..unit };
    assert!(matches!(create(&nameless), Err(TemplateError::NoName { .. })));
}

#[test]
fn what_fails_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let bad = NewPackage {
        version: Some("one".into()),
        ..request(dir.path())
    };
    assert!(matches!(create(&bad), Err(TemplateError::Control { .. })));
    assert!(matches!(
        create(&NewPackage {
            name: Some("a b".into()),
            ..request(dir.path())
        }),
        Err(TemplateError::Name(_))
    ));
    let pointless = NewPackage {
        silent_flags: Some("/S".into()),
        ..request(dir.path())
    };
    assert!(matches!(
        create(&pointless),
        Err(TemplateError::NotForKind { .. })
    ));
    assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 0);
}
