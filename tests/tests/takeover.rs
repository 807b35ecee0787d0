//! A repository that fell into the wrong hands, TLS key and all, with no person's key: each attack must fail at the agent,
//! and the same flow works when the real server is back.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use muster_shared::clock::now;
use muster_shared::index::{self, IndexEntry};
use muster_tests::{Agent, Takeover, World, run};
use sha2::Digest as _;

/// Everything that the server had when it fell.
struct Loot {
    index: index::Index,
    files: BTreeMap<String, Vec<u8>>,
}

impl Loot {
    fn of(world: &World) -> Self {
        let folder = world.server_data().join("repository/wapt");
        let bytes = fs_err::read(folder.join("Packages")).unwrap();
        let index = index::read(&bytes, &index::IndexLimits::default()).unwrap();
        let files = index
            .entries
            .iter()
            .map(|entry| {
                (
                    entry.filename.clone(),
                    fs_err::read(folder.join(&entry.filename)).unwrap(),
                )
            })
            .collect();
        Self { index, files }
    }

    /// Another file under the name of a row, whose sums are made to fit.
    fn replace(&mut self, package: &str, bytes: Vec<u8>) {
        let entry = self.entry(package);
        entry.size = bytes.len() as u64;
        entry.sha256sum = Some(hex::encode(sha2::Sha256::digest(&bytes)));
        entry.md5sum = md5_of(&bytes);
        let name = entry.filename.clone();
        self.files.insert(name, bytes);
    }

    fn entry(&mut self, package: &str) -> &mut IndexEntry {
        let mut entries = self.index.entries.iter_mut();
        entries.find(|entry| entry.control.package() == package).unwrap()
    }

    fn file(&self, package: &str) -> Vec<u8> {
        let mut entries = self.index.entries.iter();
        let entry = entries.find(|entry| entry.control.package() == package).unwrap();
        self.files[&entry.filename].clone()
    }

    fn serve(&self, world: &World) -> Takeover {
        let packages = index::write(
            &self.index.entries,
            &self.index.certificates,
            &self.index.crls,
            now(),
        )
        .unwrap();
        let mut files: BTreeMap<String, Vec<u8>> = self
            .files
            .iter()
            .map(|(name, bytes)| (format!("/wapt/{name}"), bytes.clone()))
            .collect();
        files.insert("/wapt/Packages".to_owned(), packages);
        Takeover::serve(world.port(), &world.server_data().join("ca/tls.pem"), files)
    }
}

/// The sum by the system's own tool: it only names files.
fn md5_of(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), bytes).unwrap();
    let done = run(Path::new("md5sum"), &[file.path()], "", &[]);
    done.ok().split_whitespace().next().unwrap().to_owned()
}

/// Writes an archive again: `change` gives each member's new content, or nothing to leave it out; then `more` follows.
fn rewritten(
    package: &[u8],
    change: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>>,
    more: &[(&str, &[u8])],
) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(package)).unwrap();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut write = |name: &str, content: &[u8]| {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(name, options).unwrap();
        writer.write_all(content).unwrap();
    };
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let name = member.name().unwrap().into_owned();
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        if let Some(content) = change(&name, content) {
            write(&name, &content);
        }
    }
    for (name, content) in more {
        write(name, content);
    }
    writer.finish().unwrap().into_inner()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "one of the ways to change a member, which may also go"
)]
fn keep(_name: &str, content: Vec<u8>) -> Option<Vec<u8>> {
    Some(content)
}

/// Lets a repository fall, tries to have `demo-app` installed, and then the same with the real one.
fn attack(change: impl FnOnce(&World, &mut Loot)) {
    let mut world = World::start();
    let agent = world.enrol("pc-1");
    world.publish(&world.sources("demo-app", "1").marker());
    world.publish(&world.sources("demo-other", "5").marker());
    let mut loot = Loot::of(&world);
    change(&world, &mut loot);
    world.kill_server();
    {
        let _taken = loot.serve(&world);
        let updated = agent.run(&["update"]);
        let done = agent.run(&["install", "demo-app"]);
        assert_ne!(done.code, 0, "{updated:?} {done:?}");
        assert!(!done.stderr.contains("panicked"), "{done:?}");
        for package in ["demo-app", "demo-other"] {
            assert_eq!(agent.marker(package), None, "{done:?}");
        }
        assert!(!owned(&agent).exists());
    }
    world.start_server();
    agent.run(&["update"]).ok();
    agent.run(&["install", "demo-app"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
}

/// What the attackers' scripts would write.
fn owned(agent: &Agent) -> PathBuf {
    agent.root().join("opt/owned.txt")
}

const EVIL: &str = "from setuphelpers import *\ndef install():\n    mkdirs(programfiles())\n    open(makepath(programfiles(), 'owned.txt'), 'w').close()\n";

#[test]
fn an_unsigned_package_is_refused() {
    attack(|_world, loot| {
        let unsigned = rewritten(
            &loot.file("demo-app"),
            |name, content| {
                let is_signature =
                    name.contains("signature") || name.contains("certificate") || name.contains("sha256");
                (!is_signature).then_some(content)
            },
            &[],
        );
        loot.replace("demo-app", unsigned);
    });
}

#[test]
fn a_package_that_a_stranger_signed_is_refused_even_with_their_certificate_in_the_index() {
    attack(|world, loot| {
        let people = world.people();
        world
            .muster(&["key", "create", "mallory", "--no-password"], "")
            .ok();
        let path = |name: &str| people.join(name).to_str().unwrap().to_owned();
        let sources = muster_tests::Sources::new(&people.join("evil"), "demo-app", "1").script(EVIL);
        let args = [
            "package",
            "build",
            sources.folder().to_str().unwrap(),
            "--out",
            &path("evil"),
            "--certificate",
            &path("mallory.crt"),
            "--key",
            &path("mallory.pem"),
        ];
        world.muster(&args, "").ok();
        let bytes = fs_err::read(people.join("evil/demo-app_1.wapt")).unwrap();
        loot.index
            .certificates
            .push(fs_err::read(people.join("mallory.crt")).unwrap());
        loot.replace("demo-app", bytes);
    });
}

#[test]
fn a_file_that_was_added_to_a_signed_package_is_refused() {
    attack(|_world, loot| {
        let more = rewritten(
            &loot.file("demo-app"),
            keep,
            &[("sitecustomize.py", EVIL.as_bytes())],
        );
        loot.replace("demo-app", more);
    });
}

#[test]
fn a_second_script_that_windows_would_take_for_the_first_is_refused() {
    attack(|_world, loot| {
        let more = rewritten(&loot.file("demo-app"), keep, &[("SETUP.PY", EVIL.as_bytes())]);
        loot.replace("demo-app", more);
    });
}

#[test]
fn a_changed_control_is_refused() {
    attack(|_world, loot| {
        let changed = rewritten(
            &loot.file("demo-app"),
            |name, content| {
                Some(if name == "WAPT/control" {
                    let text = String::from_utf8(content).unwrap();
                    text.replace("A package of a test", "A package of a thief")
                        .into_bytes()
                } else {
                    content
                })
            },
            &[],
        );
        loot.replace("demo-app", changed);
    });
}

#[test]
fn a_changed_script_is_refused() {
    attack(|_world, loot| {
        let changed = rewritten(
            &loot.file("demo-app"),
            |name, content| Some(if name == "setup.py" { EVIL.into() } else { content }),
            &[],
        );
        loot.replace("demo-app", changed);
    });
}

#[test]
fn another_signed_package_under_the_name_of_the_one_asked_for_is_refused() {
    attack(|_world, loot| {
        let other = loot.file("demo-other");
        loot.replace("demo-app", other);
    });
}

#[test]
fn a_row_that_was_changed_is_not_offered() {
    attack(|_world, loot| loot.entry("demo-app").control.set("depends", "demo-other"));
}

#[test]
fn an_index_of_before_rolls_no_installed_package_back() {
    let mut world = World::start();
    let agent = world.enrol("pc-1");
    world.publish(&world.sources("demo-app", "1").marker());
    let old = Loot::of(&world);
    world.publish(&world.sources("demo-app", "2").marker());
    agent.run(&["update"]).ok();
    agent.run(&["install", "demo-app"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("2"));
    world.kill_server();
    {
        let _taken = old.serve(&world);
        agent.run(&["update"]);
        agent.run(&["upgrade"]);
        agent.run(&["install", "demo-app"]);
        assert_eq!(agent.marker("demo-app").as_deref(), Some("2"));
    }
    // A newer one is taken as ever.
    world.start_server();
    world.publish(&world.sources("demo-app", "3").marker());
    agent.run(&["update"]).ok();
    agent.run(&["upgrade"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("3"));
}

#[test]
fn the_file_of_another_version_under_a_new_row_is_refused() {
    let mut world = World::start();
    let agent = world.enrol("pc-1");
    world.publish(&world.sources("demo-app", "1").marker());
    let old = Loot::of(&world);
    world.publish(&world.sources("demo-app", "2").marker());
    let mut mixed = Loot::of(&world);
    mixed.index.entries.retain(|entry| entry.control.version() == "2");
    for forge_sums in [false, true] {
        let bytes = old.file("demo-app");
        if forge_sums {
            mixed.replace("demo-app", bytes);
        } else {
            let name = mixed.entry("demo-app").filename.clone();
            mixed.files.insert(name, bytes);
        }
        world.kill_server();
        {
            let _taken = mixed.serve(&world);
            agent.run(&["update"]);
            let done = agent.run(&["install", "demo-app"]);
            assert_ne!(done.code, 0, "{done:?}");
            assert_eq!(agent.marker("demo-app"), None);
        }
        world.start_server();
    }
    agent.run(&["update"]).ok();
    agent.run(&["install", "demo-app"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("2"));
}

#[test]
fn an_old_package_of_the_host_does_not_come_back() {
    let mut world = World::start();
    let agent = world.enrol("pc-1");
    world.publish(&world.sources("demo-app", "1").marker());
    let stored = world.server_data().join("repository/wapt-host");
    let host_package = || {
        let file = fs_err::read_dir(&stored)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|extension| extension == "wapt"))
            .unwrap();
        fs_err::read(file).unwrap()
    };
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-app"], "")
        .ok();
    let old = host_package();
    agent.run(&["update"]).ok();
    world
        .muster(&["host", "edit", "pc-1", "--unrequire", "demo-app"], "")
        .ok();
    agent.run(&["update"]).ok();
    assert_eq!(agent.json(&["list-upgrade"]), serde_json::json!([]));
    let loot = Loot::of(&world);
    world.kill_server();
    {
        let packages = index::write(
            &loot.index.entries,
            &loot.index.certificates,
            &loot.index.crls,
            now(),
        )
        .unwrap();
        let files = [
            ("/wapt/Packages".to_owned(), packages),
            ("/wapt-host/pc-1.wapt".to_owned(), old),
        ];
        let tls = world.server_data().join("ca/tls.pem");
        let _taken = Takeover::serve(world.port(), &tls, files.into());
        let refused = agent.run(&["update"]);
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(said.contains("is older than"), "{refused:?}");
        agent.run(&["upgrade"]);
        assert_eq!(agent.marker("demo-app"), None);
    }
    world.start_server();
    world
        .muster(&["host", "edit", "pc-1", "--require", "demo-app"], "")
        .ok();
    agent.run(&["update"]).ok();
    agent.run(&["upgrade"]).ok();
    assert_eq!(agent.marker("demo-app").as_deref(), Some("1"));
}
