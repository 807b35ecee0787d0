//! Packages of another repository become one's own.

mod refused;

use crate::support::{Place, settings};

/// Alice's settings with a prefix, and the folder `theirs` with packages that Bob signed.
fn place() -> Place {
    let place = Place::new().with_key();
    place.muster(&["key", "create", "bob", "--type", "ec", "--no-password"]);
    place.write("hers/bob.crt", place.read("bob.crt"));
    for (name, depends) in [
        ("tis-office", "tis-java(>=1.0),tis-fonts"),
        ("tis-java", ""),
        ("tis-fonts", ""),
        ("viewer", ""),
    ] {
        place.muster(&["package", "new", name, "--depends", depends]);
        let control = place.read(&format!("{name}/WAPT/control"));
        let conflicts = control.replace("conflicts         : ", "conflicts         : tis-old-office");
        if name == "tis-office" {
            place.write("tis-office/WAPT/control", conflicts);
        }
        place.ok(&[
            "package",
            "build",
            name,
            "-o",
            "theirs",
            "--certificate",
            "bob.crt",
        ]);
    }
    place.ok(&["repo", "index", "theirs"]);
    place.muster(&["import-source", "add", "bobs", "theirs", "--trust", "hers"]);
    place
}

fn import(place: &Place, words: &[&str]) -> String {
    let mut all = vec!["package", "import", "--from", "bobs", "--prefix", "acme"];
    all.extend_from_slice(words);
    place.muster(&all)
}

#[test]
fn a_package_is_renamed_through_depends_and_conflicts_and_signed() {
    let place = place();
    let imported = import(&place, &["tis-office", "--maturity", "DEV", "--out", "mine"]);
    settings().bind(|| {
        insta::assert_snapshot!(imported, @r"
        exit code 0
        --- stdout
        tis-office 1.0-0 of bobs as acme-office 1.0-0: mine/acme-office_1.0-0_DEV.wapt
        ");
    });
    place.write("trust/alice.crt", place.read("alice.crt"));
    let shown = place.muster(&[
        "package",
        "show",
        "mine/acme-office_1.0-0_DEV.wapt",
        "--trust",
        "trust",
    ]);
    for wanted in [
        "acme-java(>=1.0),acme-fonts",
        "acme-old-office",
        "DEV",
        "alice (checked)",
    ] {
        assert!(shown.contains(wanted), "{shown}");
    }
}

#[test]
fn dependencies_come_along_unless_they_are_here() {
    let place = place();
    import(&place, &["tis-fonts", "--out", "mine"]);
    let planned = import(
        &place,
        &["tis-office", "--with-dependencies", "--out", "mine", "--dry-run"],
    );
    let mut without_sizes = settings();
    without_sizes.add_filter(r"\d+ KiB", "[n] KiB");
    without_sizes.bind(|| {
        insta::assert_snapshot!(planned, @r"
        exit code 0
        --- stdout
        SECTION  PACKAGE     VERSION  HERE AS      VERSION  MATURITY  IS   NEEDED BY
        base     tis-java    1.0-0    acme-java    1.0-0              new  tis-office
        base     tis-office  1.0-0    acme-office  1.0-0              new
        --- stderr
        2 packages would be imported, [n] KiB; nothing was changed
        ");
    });
    let imported = import(
        &place,
        &["tis-office", "--with-dependencies", "--out", "mine", "--json"],
    );
    assert!(
        imported.starts_with("exit code 0") && imported.contains("\"needed_by\": \"tis-office\""),
        "{imported}"
    );
    // The same again: the packaging goes above one's own.
    let again = import(&place, &["tis-java", "--out", "mine"]);
    assert!(
        again.contains("acme-java 1.0-1: mine/acme-java_1.0-1.wapt"),
        "{again}"
    );
    let newer = import(&place, &["tis-java", "--newer", "--out", "mine"]);
    assert!(
        newer.starts_with("exit code 0") && newer.contains("acme-java is here already"),
        "{newer}"
    );
}

#[test]
fn a_repository_is_listed_with_what_is_here() {
    let place = place();
    import(&place, &["tis-fonts", "--out", "mine"]);
    let listed = import(&place, &["--list", "--repo", "mine"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("imported") && line.contains("tis-fonts")),
        "{listed}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("new") && line.contains("viewer")),
        "{listed}"
    );
    let newer = import(
        &place,
        &["--list", "--newer", "--repo", "mine", "office", "--json"],
    );
    for wanted in [
        "\"package_here\": \"acme-office\"",
        "\"relation\": \"new\"",
        "\"licence\"",
        "\"min_os_version\"",
    ] {
        assert!(newer.contains(wanted), "{newer}");
    }
    assert!(!newer.contains("\"package\": \"tis-fonts\""), "{newer}");
    let none = import(&place, &["--list", "nothing-like-this"]);
    assert!(none.contains("no package fits"), "{none}");
}

#[test]
fn a_folder_of_loose_packages_is_imported_only_when_somebody_is_trusted() {
    let place = place();
    fs_err::remove_file(place.path().join("theirs/Packages")).unwrap();
    let words = [
        "package", "import", "--from", "theirs", "--prefix", "acme", "--out", "mine",
    ];
    let refused = place.muster(&words);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r"
        exit code 1
        --- stderr
        error: whose packages of theirs are to be believed?

        hint: give the folder of its signers' certificates: --trust DIR
        hint: `muster import-source signers theirs` shows them; compare their fingerprints with the owner of the repository
        hint: or take packages of anybody: --unverified
        ");
    });
    let trusted = place.muster(&[&words[..], &["viewer", "--trust", "hers"]].concat());
    assert!(
        trusted.starts_with("exit code 0") && trusted.contains("viewer 1.0-0: mine/viewer_1.0-0.wapt"),
        "{trusted}"
    );
    let anybody = place.muster(&[&words[..], &["--unverified", "--newer"]].concat());
    assert!(
        anybody.starts_with("exit code 0") && anybody.contains("warning: nobody vouches"),
        "{anybody}"
    );
    let one_file = place.muster(&[
        "package",
        "import",
        "--from",
        "theirs/tis-java_1.0-0.wapt",
        "--trust",
        "hers",
        "--prefix",
        "other",
    ]);
    assert!(one_file.contains("other-java_1.0-0.wapt"), "{one_file}");
}

#[test]
fn mistakes_in_importing_are_explained() {
    let place = place();
    let unknown = import(&place, &["acme-java"]);
    settings().bind(|| {
        insta::assert_snapshot!(unknown, @r"
        exit code 1
        --- stderr
        error: the repository has no package acme-java

        hint: there is: tis-java
        ");
    });
    let prefix = place.muster(&["package", "import", "--from", "bobs", "--prefix", "a-b", "viewer"]);
    settings().bind(|| {
        insta::assert_snapshot!(prefix, @r#"
        exit code 1
        --- stderr
        error: "a-b" cannot be a prefix

        hint: use letters and digits without a dash, for example the short name of your organisation
        "#);
    });
    let nowhere = place.muster(&["package", "import", "--from", "alices", "--list"]);
    assert!(
        nowhere.starts_with("exit code 1") && nowhere.contains("is no address of a repository"),
        "{nowhere}"
    );
    let no_key = Place::new();
    fs_err::create_dir(no_key.path().join("theirs")).unwrap();
    let file = "theirs/viewer_1.0-0.wapt";
    fs_err::copy(place.path().join(file), no_key.path().join(file)).unwrap();
    let refused = no_key.muster(&["package", "import", "--from", "theirs", "--unverified"]);
    assert!(
        refused.starts_with("exit code 1") && refused.contains("no signer is named"),
        "{refused}"
    );
    import(&place, &["viewer", "--out", "mine"]);
    place.write("mine/viewer_1.0-1.wapt", "taken");
    let taken = import(&place, &["viewer", "--out", "mine"]);
    assert!(
        taken.starts_with("exit code 1") && taken.contains("viewer_1.0-1.wapt is there already"),
        "{taken}"
    );
}

#[test]
fn sources_are_kept_with_their_signers_and_forgotten() {
    let place = place();
    let listed = place.muster(&["import-source", "list"]);
    assert!(
        listed.contains("bobs") && listed.contains("theirs") && listed.contains("hers"),
        "{listed}"
    );
    let signers = place.muster(&["import-source", "signers", "bobs", "--save", "found"]);
    assert!(
        signers.starts_with("exit code 0")
            && signers.contains("bob")
            && signers.contains("packages with code"),
        "{signers}"
    );
    assert_eq!(fs_err::read_dir(place.path().join("found")).unwrap().count(), 1);
    let forgotten = place.muster(&["import-source", "remove", "bobs"]);
    assert!(forgotten.contains("bobs: forgotten"), "{forgotten}");
    let again = place.muster(&["import-source", "remove", "bobs"]);
    assert!(again.starts_with("exit code 1"), "{again}");
    let warned = place.muster(&["import-source", "add", "anyone", "theirs"]);
    assert!(
        warned.starts_with("exit code 0") && warned.contains("warning"),
        "{warned}"
    );
}

#[test]
fn what_is_kept_under_a_name_is_replaced_only_by_force() {
    let place = place();
    let words = ["import-source", "add", "bobs", "hers", "--trust", "hers"];
    let refused = place.muster(&words);
    assert!(
        refused.starts_with("exit code 1") && refused.contains("--force"),
        "{refused}"
    );
    let forced = place.muster(&[&words[..], &["--force"]].concat());
    assert!(forced.contains("bobs: changed"), "{forced}");
}
