//! Builds signed again: promote, and the options of sign.

use crate::support::{Place, settings};

fn built() -> Place {
    let place = Place::new().with_key();
    place.muster(&["package", "new", "demo-hello"]);
    let control = place.read("demo-hello/WAPT/control");
    place.write(
        "demo-hello/WAPT/control",
        control.replace("maturity          : ", "maturity          : DEV"),
    );
    let built = place.muster(&["package", "build", "demo-hello"]);
    assert!(built.contains("demo-hello_1.0-0_DEV.wapt"), "{built}");
    place
}

#[test]
fn a_build_is_promoted_with_the_same_files() {
    let place = built();
    let promoted = place.muster(&[
        "package",
        "promote",
        "demo-hello_1.0-0_DEV.wapt",
        "--maturity",
        "PROD",
    ]);
    settings().bind(|| {
        insta::assert_snapshot!(promoted, @r"
        exit code 0
        --- stdout
        demo-hello 1.0-0 as PROD: demo-hello_1.0-0_PROD.wapt
        ");
    });
    let same = place.muster(&[
        "package",
        "diff",
        "demo-hello_1.0-0_DEV.wapt",
        "demo-hello_1.0-0_PROD.wapt",
    ]);
    settings().bind(|| {
        insta::assert_snapshot!(same, @r"
        exit code 0
        --- stdout
        maturity: DEV → PROD
        ");
    });
    place.write("trust/alice.crt", place.read("alice.crt"));
    place.ok(&[
        "package",
        "verify",
        "demo-hello_1.0-0_PROD.wapt",
        "--trust",
        "trust",
    ]);
    fs_err::create_dir(place.path().join("repo")).unwrap();
    fs_err::rename(
        place.path().join("demo-hello_1.0-0_DEV.wapt"),
        place.path().join("repo/demo-hello_1.0-0_DEV.wapt"),
    )
    .unwrap();
    let from_repository = place.muster(&[
        "package",
        "promote",
        "demo-hello",
        "-m",
        "PREPROD",
        "--repo",
        "repo",
        "--out",
        "out",
        "--json",
    ]);
    assert!(
        from_repository.contains("out/demo-hello_1.0-0_PREPROD.wapt"),
        "{from_repository}"
    );
}

#[test]
fn mistakes_in_promoting_are_explained() {
    let place = built();
    let same = place.muster(&[
        "package",
        "promote",
        "demo-hello_1.0-0_DEV.wapt",
        "--maturity",
        "DEV",
    ]);
    settings().bind(|| {
        insta::assert_snapshot!(same, @r"
        exit code 1
        --- stderr
        error: demo-hello 1.0-0 has the maturity DEV already
        ");
    });
    let word = place.muster(&[
        "package",
        "promote",
        "demo-hello_1.0-0_DEV.wapt",
        "--maturity",
        "my prod",
    ]);
    settings().bind(|| {
        insta::assert_snapshot!(word, @r#"
        exit code 1
        --- stderr
        error: "my prod" is no maturity: use letters, digits, - and _

        hint: usual ones are DEV, PREPROD and PROD
        "#);
    });
    place.muster(&[
        "package",
        "promote",
        "demo-hello_1.0-0_DEV.wapt",
        "--maturity",
        "PROD",
    ]);
    let twice = place.muster(&[
        "package",
        "promote",
        "demo-hello_1.0-0_DEV.wapt",
        "--maturity",
        "PROD",
    ]);
    assert!(
        twice.starts_with("exit code 1") && twice.contains("demo-hello_1.0-0_PROD.wapt is there already"),
        "{twice}"
    );
}

#[test]
fn signing_again_changes_what_is_asked_for_and_renames() {
    let place = built();
    let signed = place.muster(&[
        "package",
        "sign",
        "demo-hello_1.0-0_DEV.wapt",
        "-i",
        "--maturity",
        "PREPROD",
        "--target-os",
        "linux",
        "--json",
    ]);
    for wanted in [
        "demo-hello_1.0-1_PREPROD.wapt",
        "\"target_os\": \"linux\"",
        "\"unchanged\": false",
    ] {
        assert!(signed.contains(wanted), "{signed}");
    }
    assert!(!place.names().contains(&"demo-hello_1.0-0_DEV.wapt".to_owned()));
}

#[test]
fn a_folder_is_signed_only_where_needed_and_dates_stay() {
    let place = built();
    let date = |place: &Place| {
        let shown = place.muster(&["package", "show", "demo-hello_1.0-0_DEV.wapt"]);
        let line = shown
            .lines()
            .find(|line| line.starts_with("signature_date"))
            .unwrap();
        line.to_owned()
    };
    let before = date(&place);
    let untouched = place.muster(&["package", "sign", "--scan", ".", "--if-needed"]);
    settings().bind(|| {
        insta::assert_snapshot!(untouched, @r"
        exit code 0
        --- stdout
        demo-hello_1.0-0_DEV.wapt: demo-hello 1.0-0 needs nothing, signed by alice
        ");
    });
    place.muster(&["key", "create", "bob", "--type", "ec", "--no-password"]);
    let signed = place.muster(&[
        "package",
        "sign",
        "--scan",
        ".",
        "--if-needed",
        "--keep-signature-date",
        "--certificate",
        "bob.crt",
    ]);
    assert!(signed.contains("demo-hello 1.0-0 signed by bob"), "{signed}");
    assert_eq!(date(&place), before);
    let empty = place.muster(&["package", "sign", "--scan", "demo-hello"]);
    assert!(empty.contains("demo-hello holds no package files"), "{empty}");
}

#[test]
fn a_deployer_may_sign_what_has_no_script_any_more() {
    let place = built();
    place.muster(&[
        "key",
        "create",
        "dora",
        "--type",
        "ec",
        "--no-password",
        "--no-code-signing",
    ]);
    let refused = place.muster(&[
        "package",
        "sign",
        "demo-hello_1.0-0_DEV.wapt",
        "--certificate",
        "dora.crt",
    ]);
    assert!(
        refused.starts_with("exit code 1") && refused.contains("may not sign code"),
        "{refused}"
    );
    place.ok(&[
        "package",
        "sign",
        "demo-hello_1.0-0_DEV.wapt",
        "-r",
        "--certificate",
        "dora.crt",
    ]);
    let shown = place.muster(&["package", "show", "demo-hello_1.0-0_DEV.wapt", "--files"]);
    assert!(!shown.contains("setup.py"), "{shown}");
}

#[test]
fn a_name_is_enough_however_many_maturities_there_are() {
    let place = built();
    fs_err::create_dir(place.path().join("repo")).unwrap();
    fs_err::rename(
        place.path().join("demo-hello_1.0-0_DEV.wapt"),
        place.path().join("repo/demo-hello_1.0-0_DEV.wapt"),
    )
    .unwrap();
    let promote = |words: &[&str]| {
        let start = [
            "package",
            "promote",
            "demo-hello",
            "--repo",
            "repo",
            "--out",
            "repo",
        ];
        place.muster(&[&start[..], words].concat())
    };
    let first = promote(&["-m", "PREPROD"]);
    assert!(first.starts_with("exit code 0"), "{first}");
    // Not DEV again, though it is there: the one that was signed last and is not PROD yet.
    let second = promote(&["-m", "PROD"]);
    settings().bind(|| {
        insta::assert_snapshot!(second, @r"
        exit code 0
        --- stdout
        demo-hello 1.0-0 as PROD: repo/demo-hello_1.0-0_PROD.wapt
        --- stderr
        note: demo-hello 1.0-0 PREPROD is taken, of 2 builds
        ");
    });
    let chosen = promote(&["-m", "pilot", "--from-maturity", "DEV"]);
    assert!(chosen.contains("demo-hello 1.0-0 DEV is taken"), "{chosen}");
    let none = promote(&["-m", "x", "--from-maturity", "TEST"]);
    assert!(
        none.starts_with("exit code 1") && none.contains("there is: 1.0-0 DEV"),
        "{none}"
    );
    for name in ["demo-hello", "demo-hello(=1.0-0)"] {
        let edited = place.muster(&["package", "edit", name, "--repo", "repo", "--force"]);
        assert!(
            edited.starts_with("exit code 0") && edited.contains("is taken, of 4 builds"),
            "{edited}"
        );
    }
    let slip = place.muster(&["package", "promote", "demo-helo", "-m", "PROD", "--repo", "repo"]);
    assert!(slip.contains("there is: demo-hello"), "{slip}");
}

#[test]
fn a_maturity_that_is_no_word_is_not_built() {
    let place = Place::new().with_key();
    place.muster(&["package", "new", "demo-hello"]);
    let control = place.read("demo-hello/WAPT/control");
    place.write(
        "demo-hello/WAPT/control",
        control.replace("maturity          : ", "maturity          : my prod"),
    );
    let refused = place.muster(&["package", "build", "demo-hello"]);
    assert!(
        refused.starts_with("exit code 1") && refused.contains("maturity is \"my prod\""),
        "{refused}"
    );
}

#[test]
fn signing_what_was_changed_after_its_signature_is_warned_of() {
    let place = built();
    let name = "demo-hello_1.0-0_DEV.wapt";
    let original = fs_err::read(place.path().join(name)).unwrap();
    let mut source = zip::ZipArchive::new(std::io::Cursor::new(original)).unwrap();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for index in 0..source.len() {
        let file = source.by_index_raw(index).unwrap();
        if file.name().unwrap() != "setup.py" {
            writer.raw_copy_file(file).unwrap();
        }
    }
    writer
        .start_file("setup.py", zip::write::SimpleFileOptions::default())
        .unwrap();
    std::io::Write::write_all(
        &mut writer,
        b"uninstallkey = []\ndef install():\n    run('evil')\n",
    )
    .unwrap();
    place.write(name, writer.finish().unwrap().into_inner());
    let signed = place.muster(&["package", "sign", name]);
    assert!(
        signed.starts_with("exit code 0")
            && signed.contains("warning: demo-hello_1.0-0_DEV.wapt: this is not what its former signer signed: setup.py differs"),
        "{signed}"
    );
    let again = place.muster(&["package", "sign", name]);
    assert!(!again.contains("warning"), "{again}");
}
