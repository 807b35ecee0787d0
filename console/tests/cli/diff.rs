//! What differs between two builds.

use crate::support::{Place, settings};

#[test]
fn control_files_and_scripts_are_compared() {
    let place = Place::new().with_key();
    place.muster(&["package", "new", "demo-hello"]);
    place.write("demo-hello/setup.py", "def install():\n    print('one')\n");
    place.write("demo-hello/logo.bin", [0_u8, 1, 2]);
    place.write("demo-hello/old.txt", "old\n");
    place.muster(&["package", "build", "demo-hello", "-o", "repo"]);
    place.write("demo-hello/setup.py", "def install():\n    print('two')\n");
    place.write("demo-hello/logo.bin", [0_u8, 1, 3, 4]);
    place.write("demo-hello/new.txt", "new\n");
    fs_err::remove_file(place.path().join("demo-hello/old.txt")).unwrap();
    place.muster(&["package", "build", "demo-hello", "-i", "-o", "repo"]);
    let compared = place.muster(&[
        "package",
        "diff",
        "demo-hello",
        "1.0-0",
        "1.0-1",
        "--repo",
        "repo",
    ]);
    settings().bind(|| {
        insta::assert_snapshot!(compared, @r"
        exit code 0
        --- stdout
        version: 1.0-0 → 1.0-1
        removed  old.txt (4 bytes)
        added    new.txt (4 bytes)
        changed  logo.bin (3 → 4 bytes, binary or large)
        changed  setup.py (32 → 32 bytes)

        --- a/setup.py
        +++ b/setup.py
        @@ -1,2 +1,2 @@
         def install():
        -    print('one')
        +    print('two')
        ");
    });
    let sources = place.muster(&["package", "diff", "repo/demo-hello_1.0-1.wapt", "demo-hello"]);
    assert!(sources.contains("they do not differ"), "{sources}");
    let all = place.muster(&[
        "package",
        "diff",
        "repo/demo-hello_1.0-0.wapt",
        "repo/demo-hello_1.0-1.wapt",
        "--all",
        "--json",
    ]);
    for wanted in [
        "package_uuid",
        "\"added\"",
        "\"size_before\": 3",
        "\"version\": \"1.0-1\"",
    ] {
        assert!(all.contains(wanted), "{all}");
    }
}

#[test]
fn what_cannot_be_compared_is_named() {
    let place = Place::new().with_key();
    let missing = place.muster(&["package", "diff", "a.wapt", "b.wapt"]);
    settings().bind(|| {
        insta::assert_snapshot!(missing, @r"
        exit code 1
        --- stderr
        error: there is no file or folder a.wapt

        hint: two versions of your repository: muster package diff NAME 1.0-0 1.0-1
        ");
    });
    place.write("a.wapt", "no zip");
    let broken = place.muster(&["package", "diff", "a.wapt", "a.wapt"]);
    assert!(
        broken.starts_with("exit code 1") && broken.contains("a.wapt"),
        "{broken}"
    );
    let one = place.muster(&["package", "diff", "a.wapt"]);
    assert!(one.starts_with("exit code 2"), "{one}");
}
