//! `muster package new`: a template for every section, and advice for what cannot become sources.

use crate::support::Place;

#[test]
fn several_unknown_and_broken_files_are_refused_with_advice() {
    let place = Place::new();
    place.write("a.msi", "no msi");
    place.write("b.zip", "PK");
    let refused = |words: &[&str]| place.muster(&[&["package", "new", "--from"], words].concat());
    insta::assert_snapshot!(refused(&["a.msi", "--from", "b.zip"]), @r#"
    exit code 1
    --- stderr
    error: a package is made from one installer, 2 were given

    hint: run the command once for each; packages that belong together are tied by `depends`
    "#);
    insta::assert_snapshot!(refused(&["a.msi", "b.zip"]), @r#"
    exit code 1
    --- stderr
    error: b.zip is a file, and a second one; a package is made from one installer

    hint: run the command once for each
    "#);
    insta::assert_snapshot!(refused(&["a.msi"]), @r#"
    exit code 1
    --- stderr
    error: a.msi is damaged or not a whole MSI file: it does not begin as one

    hint: download the file again and compare its checksum
    "#);
    insta::assert_snapshot!(refused(&["b.zip"]), @r#"
    exit code 1
    --- stderr
    error: b.zip is no installer that is known here

    hint: give an .msi, .exe, .msu, .msix, .deb or .rpm file, or a folder; unpack a .zip first
    "#);
    insta::assert_snapshot!(refused(&["missing.deb"]), @r#"
    exit code 1
    --- stderr
    error: cannot read missing.deb: No such file or directory (os error 2)

    hint: check the path: there is nothing of that name
    "#);
    assert_eq!(place.names(), ["a.msi", "b.zip"]);
}

#[test]
fn every_section_has_a_template() {
    let place = Place::new();
    let unit = place.muster(&[
        "package",
        "new",
        "--section",
        "unit",
        "--dn",
        "OU=Room 1,DC=example,DC=lan",
        "--depends",
        "demo-office",
    ]);
    insta::assert_snapshot!(unit, @r#"
    exit code 0
    --- stdout
    OU=Room~1_DC=example_DC=lan/WAPT/control
    --- stderr
    next: muster package build OU=Room~1_DC=example_DC=lan
    "#);
    for (section, name) in [
        ("restricted", "demo-a"),
        ("group", "demo-b"),
        ("profile", "Room"),
        ("host", "4C4C-1"),
        ("wsus", "demo-c"),
        ("waptwua", "demo-d"),
        ("selfservice", "demo-e"),
    ] {
        place.ok(&["package", "new", name, "--section", section]);
    }
    let nameless = place.muster(&["package", "new", "--section", "profile"]);
    insta::assert_snapshot!(nameless, @r#"
    exit code 1
    --- stderr
    error: a profile package needs a name

    hint: give the name of the directory's group of computers, spelled as there
    "#);
}
