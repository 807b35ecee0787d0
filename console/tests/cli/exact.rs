//! Output that other people's scripts take as it is: exact bytes and exact names.

use std::path::{Path, PathBuf};

use crate::support::Place;

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(path)
}

#[test]
fn the_signed_bytes_are_printed_exactly() {
    let place = Place::new();
    let mut files = vec![(
        golden("repo/peer-base_1.2.3-4_PROD.wapt"),
        golden("peer-base.control.signed_bytes.json"),
    )];
    for entry in fs_err::read_dir(golden("edge")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "wapt") {
            let expected = path.with_extension("signed_bytes.json");
            files.push((path, expected));
        }
    }
    assert_eq!(files.len(), 15);
    for (file, expected) in files {
        let output = place
            .command(&["package", "show", file.to_str().unwrap(), "--signed-bytes"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", file.display());
        assert!(
            output.stdout == fs_err::read(expected).unwrap(),
            "{}",
            file.display()
        );
    }
}

#[test]
fn the_file_name_is_printed_and_nothing_else() {
    let rows: Vec<serde_json::Value> =
        serde_json::from_slice(&fs_err::read(golden("filenames.json")).unwrap()).unwrap();
    let place = Place::new();
    let mut compared = 0;
    for row in rows.iter().filter(|row| row["with_md5sum"] != true).step_by(4) {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        // A name with a line end cannot stand in a control file.
        let names = [
            "package",
            "version",
            "section",
            "architecture",
            "maturity",
            "locale",
        ];
        if names
            .iter()
            .any(|name| text(name).contains(['\n', '\r']) || text(name).trim() != text(name))
        {
            continue;
        }
        // What is absent counts as its default, what is empty does not.
        let written = names.iter().filter(|name| row[**name].is_string());
        let control: Vec<String> = written.map(|name| format!("{name} : {}", text(name))).collect();
        let control = control.join("\n");
        place.write("p/WAPT/control", control);
        let output = place.command(&["package", "filename", "p"]).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            format!("{}\n", text("filename")),
            "{row}"
        );
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
    let file = golden("repo/cda82e33aeb60d0f8d6fceeb85d3b8e1_2.wapt");
    let output = place
        .command(&["package", "filename", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"cda82e33aeb60d0f8d6fceeb85d3b8e1_2.wapt\n");
}
