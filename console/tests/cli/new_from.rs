//! `muster package new --from`: sources out of installers that the real tools made in this run.
//!
//! A test whose tool is missing says so and passes.

use std::io::Cursor;
use std::process::Command;

use image::ImageFormat;
use muster_shared::control::Control;

use crate::installers::{deb, has, msi, nsis, picture, rpm, run};
use crate::support::Place;

fn control(place: &Place, package: &str) -> Control {
    Control::parse(place.read(&format!("{package}/WAPT/control")).as_bytes()).unwrap()
}

/// Every attribute that has a value.
fn filled(control: &Control) -> String {
    control
        .attributes()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| [name, "=", value, "\n"].concat())
        .collect::<Vec<_>>()
        .concat()
}

/// What every new source folder must be: an icon of the right size, a script that Python takes, editor files
/// that editors can read, and a package that builds.
fn check_sources(place: &Place, package: &str) {
    let folder = place.path().join(package);
    let icon = folder.join("WAPT/icon.png");
    if icon.is_file() {
        let icon = image::load_from_memory(&fs_err::read(icon).unwrap()).unwrap();
        assert_eq!((icon.width(), icon.height()), (48, 48));
        assert_eq!(
            icon.to_rgba8().get_pixel(0, 0).0[3],
            0,
            "the corner is transparent"
        );
    }
    let check = "import ast, json, sys, xml.dom.minidom as x\n\
        code = open(sys.argv[1] + '/setup.py', encoding='utf-8').read()\n\
        names = [n.name for n in ast.parse(code).body if isinstance(n, ast.FunctionDef)]\n\
        assert {'install', 'audit'} <= set(names), names\n\
        compile(code, 'setup.py', 'exec')\n\
        for name in ('tasks', 'launch', 'settings'):\n\
        \x20   json.load(open(sys.argv[1] + '/.vscode/%s.json' % name, encoding='utf-8'))\n\
        x.parse(sys.argv[1] + '/WAPT/wapt.psproj')\n";
    run(Command::new("python3").args(["-c", check]).arg(&folder));
    let built = place.ok(&["package", "build", package]);
    assert!(!built.contains("warning"), "{built}");
}

fn made(place: &Place, words: &[&str]) -> String {
    let mut all = vec![
        "package",
        "new",
        "--prefix",
        "demo",
        "--maintainer",
        "Alice",
        "--from",
    ];
    all.extend(words);
    place.ok(&all)
}

#[test]
fn an_msi_becomes_sources_that_build() {
    if !has("wixl") {
        return;
    }
    let place = Place::new().with_key();
    msi(&place);
    let said = made(&place, &["tool-3.2.1.msi"]);
    insta::assert_snapshot!(said, @r#"
    exit code 0
    --- stdout
    read from      tool-3.2.1.msi (MSI)
    package        demo-grun-tool 3.2.1-0
    product        Grün Tool 3.2 (x64)
    version        3.2.1
    publisher      Acme """ Ltd
    description    Draws green things
    homepage       https://example.org/tool
    architecture   x64
    system         windows
    silent with    /q /norestart
    uninstall key  {11111111-2222-3333-4444-555555555555}
    programs       greentool
    needs on disk  13000 bytes
    icon           48×48, from the file
    platform       x64;1033
    language       1031 (de-DE)
    upgrade code   {99999999-2222-3333-4444-555555555555}

    demo-grun-tool/WAPT/control
    demo-grun-tool/setup.py
    demo-grun-tool/WAPT/icon.png
    demo-grun-tool/WAPT/wapt.psproj
    demo-grun-tool/.vscode/tasks.json
    demo-grun-tool/.vscode/launch.json
    demo-grun-tool/.vscode/settings.json
    demo-grun-tool/.env
    demo-grun-tool/tool-3.2.1.msi
    --- stderr
    next: muster package build demo-grun-tool
    "#);
    insta::assert_snapshot!(filled(&control(&place, "demo-grun-tool")), @r#"
    package=demo-grun-tool
    version=3.2.1-0
    architecture=x64
    section=base
    priority=optional
    name=Grün Tool 3.2 (x64)
    maintainer=Alice
    description=Draws green things
    target_os=windows
    installed_size=13000
    impacted_process=greentool
    editor=Acme """ Ltd
    homepage=https://example.org/tool
    "#);
    let code = place.read("demo-grun-tool/setup.py");
    assert!(code.contains("INSTALLER = 'tool-3.2.1.msi'"), "{code}");
    assert!(
        code.contains("uninstallkey = ['{11111111-2222-3333-4444-555555555555}']"),
        "{code}"
    );
    assert!(place.path().join("demo-grun-tool/tool-3.2.1.msi").is_file());
    assert!(place.path().join("demo-grun-tool/WAPT/icon.png").is_file());
    check_sources(&place, "demo-grun-tool");
}

#[test]
fn an_exe_becomes_sources_with_its_silent_switches() {
    if !has("makensis") {
        return;
    }
    let place = Place::new().with_key();
    nsis(&place);
    let said = made(&place, &["bluetool-setup.exe"]);
    insta::assert_snapshot!(said, @r#"
    exit code 0
    --- stdout
    read from         bluetool-setup.exe (EXE, NSIS)
    package           demo-blue-tool 5.4.3-0
    product           Blue Tool
    version           5.4.3
    publisher         Acme
    description       Draws blue things
    architecture      all
    system            windows
    silent with       /S
    uninstall key     Blue Tool
    icon              48×48, from the file
    program           32-bit
    silent uninstall  /S

    demo-blue-tool/WAPT/control
    demo-blue-tool/setup.py
    demo-blue-tool/WAPT/icon.png
    demo-blue-tool/WAPT/wapt.psproj
    demo-blue-tool/.vscode/tasks.json
    demo-blue-tool/.vscode/launch.json
    demo-blue-tool/.vscode/settings.json
    demo-blue-tool/.env
    demo-blue-tool/bluetool-setup.exe
    --- stderr
    to decide: the uninstall key "Blue Tool" is what most NSIS installers use: compare it with what the test shows
    next: muster package build demo-blue-tool
    "#);
    insta::assert_snapshot!(filled(&control(&place, "demo-blue-tool")), @r#"
    package=demo-blue-tool
    version=5.4.3-0
    architecture=all
    section=base
    priority=optional
    name=Blue Tool
    maintainer=Alice
    description=Draws blue things
    target_os=windows
    editor=Acme
    "#);
    let code = place.read("demo-blue-tool/setup.py");
    assert!(
        code.contains("SILENT = '/S'") && code.contains("KEY = 'Blue Tool'"),
        "{code}"
    );
    check_sources(&place, "demo-blue-tool");
}

#[test]
fn what_is_typed_goes_before_what_is_read() {
    if !has("makensis") {
        return;
    }
    let place = Place::new().with_key();
    nsis(&place);
    let words = [
        "bluetool-setup.exe",
        "other",
        "--name",
        "Other Tool",
        "--version",
        "9.1",
        "--description",
        "Text",
        "--publisher",
        "Bob",
        "--architecture",
        "x64",
        "--section",
        "restricted",
        "--silent-flags",
        "--quiet 'x'",
        "--uninstall-key",
        "Other\\Key",
        "--maturity",
        "DEV",
        "--depends",
        "demo-a",
        "--json",
    ];
    let said = made(&place, &words);
    assert!(said.contains("\"maker\": \"NSIS\""), "{said}");
    insta::assert_snapshot!(filled(&control(&place, "demo-other")), @r#"
    package=demo-other
    version=9.1-0
    architecture=x64
    section=restricted
    priority=optional
    name=Other Tool
    maintainer=Alice
    description=Text
    depends=demo-a
    maturity=DEV
    target_os=windows
    editor=Bob
    "#);
    let code = place.read("demo-other/setup.py");
    assert!(
        code.contains(r"SILENT = '--quiet \'x\''") && code.contains(r"KEY = 'Other\\Key'"),
        "{code}"
    );
    check_sources(&place, "demo-other");
}

#[test]
fn a_deb_becomes_sources_whatever_packs_it() {
    if !has("dpkg-deb") {
        return;
    }
    let place = Place::new().with_key();
    for compression in ["xz", "gzip", "zstd", "none"] {
        deb(&place, compression);
        let into = format!("from-{compression}");
        made(&place, &[&format!("redtool-{compression}.deb"), "--into", &into]);
        let icon = fs_err::read(place.path().join(&into).join("demo-redtool/WAPT/icon.png")).unwrap();
        assert_eq!(image::load_from_memory(&icon).unwrap().width(), 48);
    }
    let said = made(&place, &["redtool-xz.deb"]);
    insta::assert_snapshot!(said, @r#"
    exit code 0
    --- stdout
    read from      redtool-xz.deb (DEB)
    package        demo-redtool 2.10.1.2-0
    product        redtool
    version        1:2.10.1.2.3+dfsg-3
    publisher      Acme Packagers
    description    draws red things
    homepage       https://example.org/red
    architecture   x64
    system         linux
    uninstall key  redtool
    needs on disk  12288 bytes
    icon           48×48, from the file
    maintainer     Acme Packagers <deb@example.org>
    needs          libc6 (>= 2.14), zlib1g

    demo-redtool/WAPT/control
    demo-redtool/setup.py
    demo-redtool/WAPT/icon.png
    demo-redtool/WAPT/wapt.psproj
    demo-redtool/.vscode/tasks.json
    demo-redtool/.vscode/launch.json
    demo-redtool/.vscode/settings.json
    demo-redtool/.env
    demo-redtool/redtool-xz.deb
    --- stderr
    next: muster package build demo-redtool
    "#);
    insta::assert_snapshot!(filled(&control(&place, "demo-redtool")), @r#"
    package=demo-redtool
    version=2.10.1.2-0
    architecture=x64
    section=base
    priority=optional
    name=redtool
    maintainer=Alice
    description=draws red things
    target_os=linux
    installed_size=12288
    editor=Acme Packagers
    homepage=https://example.org/red
    "#);
    assert!(
        place
            .read("demo-redtool/setup.py")
            .contains("Needs: libc6 (>= 2.14), zlib1g")
    );
    check_sources(&place, "demo-redtool");
}

#[test]
fn an_rpm_becomes_sources() {
    if !has("rpmbuild") {
        return;
    }
    let place = Place::new().with_key();
    rpm(&place);
    let said = made(&place, &["yellowtool.rpm"]);
    insta::assert_snapshot!(said, @r#"
    exit code 0
    --- stdout
    read from      yellowtool.rpm (RPM)
    package        demo-yellowtool 7.8-0
    product        yellowtool
    version        7.8-9.el9
    publisher      Acme
    description    Draws yellow things
    homepage       https://example.org/yellow
    licence        MIT
    architecture   x64
    system         linux
    uninstall key  yellowtool
    needs on disk  7 bytes
    icon           none in it
    needs          bash

    demo-yellowtool/WAPT/control
    demo-yellowtool/setup.py
    demo-yellowtool/WAPT/wapt.psproj
    demo-yellowtool/.vscode/tasks.json
    demo-yellowtool/.vscode/launch.json
    demo-yellowtool/.vscode/settings.json
    demo-yellowtool/.env
    demo-yellowtool/yellowtool.rpm
    --- stderr
    next: muster package build demo-yellowtool
    "#);
    insta::assert_snapshot!(filled(&control(&place, "demo-yellowtool")), @r#"
    package=demo-yellowtool
    version=7.8-0
    architecture=x64
    section=base
    priority=optional
    name=yellowtool
    maintainer=Alice
    description=Draws yellow things
    target_os=linux
    installed_size=7
    editor=Acme
    licence=MIT
    homepage=https://example.org/yellow
    "#);
    check_sources(&place, "demo-yellowtool");
}

#[test]
fn a_folder_becomes_a_portable_program_with_its_shortcut() {
    if !has("makensis") {
        return;
    }
    let place = Place::new().with_key();
    let exe = nsis(&place);
    // Any program with a version resource serves as the portable one.
    place.write("portable/BlueTool.exe", fs_err::read(exe).unwrap());
    place.write("portable/unins000.exe", b"MZ".repeat(100_000));
    place.write("portable/data/a.txt", "a");
    made(&place, &["portable"]);
    let mut read = control(&place, "demo-blue-tool");
    // What makensis makes has another size in each of its versions.
    assert!(read.get("installed_size").parse::<u64>().unwrap() > 200_000);
    read.remove("installed_size");
    insta::assert_snapshot!(filled(&read), @r#"
    package=demo-blue-tool
    version=5.4.3-0
    architecture=all
    section=base
    priority=optional
    name=Blue Tool
    maintainer=Alice
    description=Draws blue things
    target_os=windows
    impacted_process=BlueTool
    editor=Acme
    "#);
    let code = place.read("demo-blue-tool/setup.py");
    assert!(
        code.contains("PROGRAM = 'BlueTool.exe'") && code.contains("LABEL = 'Blue Tool'"),
        "{code}"
    );
    check_sources(&place, "demo-blue-tool");
}

#[test]
fn updates_and_apps_are_read_too() {
    let place = Place::new().with_key();
    place.write("windows10.0-kb5034441-x64_abc.msu", b"MSCF and more");
    made(&place, &["windows10.0-kb5034441-x64_abc.msu"]);
    assert!(
        place
            .read("demo-kb5034441/setup.py")
            .contains("UPDATE = 'KB5034441'")
    );
    check_sources(&place, "demo-kb5034441");

    let manifest = r#"<?xml version="1.0"?><Package><Identity Name="Acme.PinkTool" Publisher="CN=Acme, O=x"
        Version="4.3.2.1" ProcessorArchitecture="x64"/><Properties><DisplayName>Pink Tool</DisplayName>
        <PublisherDisplayName>Acme</PublisherDisplayName><Logo>Assets\Logo.png</Logo></Properties></Package>"#;
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in [
        ("AppxManifest.xml", manifest.as_bytes().to_vec()),
        ("Assets/Logo.scale-100.png", picture(50, ImageFormat::Png)),
    ] {
        archive
            .start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        std::io::Write::write_all(&mut archive, &bytes).unwrap();
    }
    place.write("pink.msix", archive.finish().unwrap().into_inner());
    made(&place, &["pink.msix"]);
    insta::assert_snapshot!(filled(&control(&place, "demo-pink-tool")), @r#"
    package=demo-pink-tool
    version=4.3.2.1-0
    architecture=x64
    section=base
    priority=optional
    name=Pink Tool
    maintainer=Alice
    description=Pink Tool
    target_os=windows
    min_os_version=10.0
    editor=Acme
    "#);
    check_sources(&place, "demo-pink-tool");
}
