//! What another repository gets wrong, or tries, is refused with its reason, and the rest is imported.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::{import, place};

#[test]
fn foreign_and_damaged_packages_are_refused_and_do_not_hold_the_others_back() {
    let place = place();
    place.muster(&["key", "create", "eve", "--type", "ec", "--no-password"]);
    place.muster(&[
        "package",
        "sign",
        "theirs/tis-java_1.0-0.wapt",
        "--certificate",
        "eve.crt",
    ]);
    place.muster(&["repo", "index", "theirs", "--full"]);
    let alone = import(&place, &["tis-java", "--out", "mine"]);
    assert!(
        alone.starts_with("exit code 1")
            && alone.contains("the signer is not trusted")
            && alone.contains("import-source signers"),
        "{alone}"
    );
    let all = import(&place, &["--out", "mine"]);
    assert!(
        all.starts_with("exit code 3") && all.contains("tis-java was not imported"),
        "{all}"
    );
    assert!(!place.path().join("mine/acme-java_1.0-0.wapt").exists());
    assert!(place.path().join("mine/acme-office_1.0-0.wapt").exists());
    // The index is believed in nothing: a file that is another than it says is refused.
    fs_err::copy(
        place.path().join("theirs/tis-fonts_1.0-0.wapt"),
        place.path().join("theirs/viewer_1.0-0.wapt"),
    )
    .unwrap();
    let swapped = import(&place, &["viewer", "--out", "mine"]);
    assert!(
        swapped.starts_with("exit code 1") && swapped.contains("another package"),
        "{swapped}"
    );
}

/// Serves the files of a folder, each with as many bytes as it has, or with too many for `endless`.
fn serve(folder: std::path::PathBuf, endless: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/wapt", listener.local_addr().unwrap());
    let serving = std::thread::Builder::new().name("repository".to_owned());
    let serve = move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0_u8; 4096];
            let count = stream.read(&mut request).unwrap_or_default();
            let line = String::from_utf8_lossy(&request[..count]).into_owned();
            let path = line.split(' ').nth(1).unwrap_or_default();
            let name = path.strip_prefix("/wapt/").unwrap_or_default();
            let Ok(bytes) = fs_err::read(folder.join(name)) else {
                stream
                    .write_all(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                    .ok();
                continue;
            };
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                .ok();
            stream.write_all(&bytes).ok();
            if name == endless {
                while stream.write_all(&[0; 8192]).is_ok() {}
            }
        }
    };
    serving.spawn(serve).unwrap();
    address
}

#[test]
fn a_repository_on_the_web_is_read_up_to_what_its_index_says() {
    let place = place();
    let address = serve(place.path().join("theirs"), "viewer_1.0-0.wapt");
    let words = [
        "package", "import", "--from", &address, "--prefix", "acme", "--out", "mine",
    ];
    let imported = place.muster(&[&words[..], &["--trust", "hers", "tis-java"]].concat());
    assert!(
        imported.starts_with("exit code 0") && imported.contains("mine/acme-java_1.0-0.wapt"),
        "{imported}"
    );
    let endless = place.muster(&[&words[..], &["--trust", "hers", "viewer"]].concat());
    assert!(
        endless.starts_with("exit code 1") && endless.contains("the download was stopped"),
        "{endless}"
    );
    let plain = place.muster(&[&words[..], &["--unverified", "tis-java"]].concat());
    assert!(
        plain.starts_with("exit code 1") && plain.contains("without TLS"),
        "{plain}"
    );
    let elsewhere = address.replace("/wapt", "/other");
    let missing = place.muster(&["package", "import", "--from", &elsewhere, "--list"]);
    assert!(
        missing.starts_with("exit code 1") && missing.contains("answered 404"),
        "{missing}"
    );
}

#[test]
fn a_crafted_package_is_refused_by_the_reader() {
    use std::io::Cursor;

    let place = place();
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, content) in [
        (
            "WAPT/control",
            "package: evil\nversion: 1.0-0\narchitecture: all\nsection: base",
        ),
        ("../../escaped.txt", "x"),
    ] {
        writer.start_file(name, options).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    place.write("evil/evil_1.0-0.wapt", writer.finish().unwrap().into_inner());
    let refused = place.muster(&[
        "package",
        "import",
        "--from",
        "evil",
        "--unverified",
        "--out",
        "mine",
        "evil",
    ]);
    assert!(refused.starts_with("exit code 1"), "{refused}");
    let listed = place.muster(&["package", "import", "--from", "evil", "--list"]);
    assert!(
        listed.contains("left out: evil_1.0-0.wapt") && listed.contains("escaped.txt"),
        "{listed}"
    );
    assert!(!place.path().join("mine/evil_1.0-0.wapt").exists());
}

#[test]
fn every_bad_file_of_a_folder_is_named_and_the_others_are_imported() {
    let place = place();
    fs_err::remove_file(place.path().join("theirs/Packages")).unwrap();
    place.write("theirs/not-a-zip.wapt", "nothing");
    // A bad copy of a good package must not hide behind it.
    let mut bytes = fs_err::read(place.path().join("theirs/viewer_1.0-0.wapt")).unwrap();
    let at = bytes.windows(8).position(|part| part == b"setup.py").unwrap() + 40;
    bytes[at] ^= 0x55;
    place.write("theirs/viewer-copy.wapt", bytes);
    let words = [
        "package",
        "import",
        "--trust",
        "hers",
        "--out",
        "mine",
        "--keep-prefix",
    ];
    let all = place.muster(&[&words[..], &["--from", "theirs"]].concat());
    assert!(
        all.starts_with("exit code 3")
            && all.contains("left out: not-a-zip.wapt: not a zip archive")
            && all.contains("viewer-copy.wapt was not imported")
            && all.contains("mine/viewer_1.0-0.wapt"),
        "{all}"
    );
    let alone = place.muster(&[&words[..], &["--from", "theirs/not-a-zip.wapt"]].concat());
    assert!(
        alone.starts_with("exit code 1") && alone.contains("left out: not-a-zip.wapt: not a zip archive"),
        "{alone}"
    );
    let tampered = place.muster(&[&words[..], &["--from", "theirs/viewer-copy.wapt"]].concat());
    assert!(
        tampered.starts_with("exit code 1") && tampered.contains("viewer-copy.wapt of theirs"),
        "{tampered}"
    );
}

#[test]
fn who_was_revoked_by_a_list_in_their_folder_is_not_believed() {
    let place = place();
    fs_err::remove_file(place.path().join("theirs/Packages")).unwrap();
    let words = [
        "package",
        "import",
        "viewer",
        "--from",
        "theirs",
        "--trust",
        "hers",
        "--out",
        "mine",
        "--keep-prefix",
    ];
    place.ok(&["cert", "revoke", "bob.crt"]);
    place.write("theirs/crl/bob.crl", place.read("bob.crl"));
    let refused = place.muster(&words);
    assert!(
        refused.starts_with("exit code 1") && refused.contains("was revoked on"),
        "{refused}"
    );
}

#[test]
fn a_row_that_says_another_maturity_than_its_package_is_refused() {
    let place = place();
    let control = place.read("viewer/WAPT/control");
    place.write(
        "viewer/WAPT/control",
        format!("{control}\nmaturity: DEV\nforeign_note: kept\n"),
    );
    let words = [
        "package",
        "build",
        "viewer",
        "-o",
        "loose",
        "--certificate",
        "bob.crt",
        "--keep-unknown",
    ];
    place.ok(&words);
    place.muster(&["repo", "index", "loose"]);
    place.muster(&["import-source", "add", "devs", "loose", "--trust", "hers"]);
    let words = [
        "package", "import", "--from", "devs", "--prefix", "acme", "--out", "mine", "viewer",
    ];
    let dev = place.muster(&[&words[..], &["--from-maturity", "DEV"]].concat());
    assert!(
        dev.starts_with("exit code 0") && dev.contains("_DEV.wapt"),
        "{dev}"
    );
    // What the format does not know is not signed again, unless it is wished.
    let shown = place.muster(&["package", "show", "mine/viewer_1.0-0_DEV.wapt", "--json"]);
    assert!(!shown.contains("foreign_note"), "{shown}");

    let path = place.path().join("loose/Packages");
    let bytes = fs_err::read(&path).unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut text = String::new();
    archive
        .by_name("Packages")
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    let mut forged = String::new();
    for line in text.lines() {
        let is_maturity = line.starts_with("maturity");
        forged.push_str(if is_maturity {
            "maturity         : PROD"
        } else {
            line
        });
        forged.push('\n');
    }
    assert_ne!(forged, text);
    let mut writer = zip::ZipWriter::new(fs_err::File::create(&path).unwrap());
    writer
        .start_file("Packages", zip::write::SimpleFileOptions::default())
        .unwrap();
    writer.write_all(forged.as_bytes()).unwrap();
    writer.finish().unwrap();
    let refused = place.muster(&words);
    assert!(
        refused.starts_with("exit code 1") && refused.contains("another maturity"),
        "{refused}"
    );
    assert!(!place.path().join("mine/viewer_1.0-0.wapt").exists());
}
