//! Installers that the real tools make in a test run: MSI by `wixl`, EXE by `makensis`, DEB by `dpkg-deb`, RPM by
//! `rpmbuild`.

use std::io::Cursor;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use image::{ImageFormat, Rgba, RgbaImage};

use crate::support::Place;

/// Whether a tool is on this machine; says so when not.
pub(crate) fn has(tool: &str) -> bool {
    let found = Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        eprintln!("skipped: {tool} is not on this machine; `make setup` installs it");
    }
    found
}

pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}");
}

pub(crate) fn picture(side: u32, format: ImageFormat) -> Vec<u8> {
    let image = RgbaImage::from_fn(side, side, |x, y| {
        let inside = x > side / 8 && y > side / 8;
        Rgba([30, 120, (x * 4 % 256) as u8, if inside { 255 } else { 0 }])
    });
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn msi(place: &Place) -> PathBuf {
    place.write("app.ico", picture(64, ImageFormat::Ico));
    place.write("tool.exe", b"MZ no program".repeat(1000));
    let source = r#"<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
  <Product Id="{11111111-2222-3333-4444-555555555555}" Name="Grün Tool 3.2 (x64)" Language="1031" Version="3.2.1"
           Manufacturer="Acme &quot;&quot;&quot; Ltd" UpgradeCode="{99999999-2222-3333-4444-555555555555}">
    <Package InstallerVersion="200" Compressed="yes" Platform="x64" Comments="Draws green things" Description="Tool"/>
    <Media Id="1" Cabinet="a.cab" EmbedCab="yes"/>
    <Icon Id="app.ico" SourceFile="app.ico"/>
    <Property Id="ARPPRODUCTICON" Value="app.ico"/>
    <Property Id="ALLUSERS" Value="1"/>
    <Property Id="ARPURLINFOABOUT" Value="https://example.org/tool"/>
    <Directory Id="TARGETDIR" Name="SourceDir">
      <Directory Id="ProgramFiles64Folder">
        <Directory Id="INSTALLDIR" Name="Tool">
          <Component Id="Main" Guid="{77777777-2222-3333-4444-555555555555}" Win64="yes">
            <File Id="tool" Name="greentool.exe" Source="tool.exe" KeyPath="yes"/>
          </Component>
        </Directory>
      </Directory>
    </Directory>
    <Feature Id="Main" Level="1"><ComponentRef Id="Main"/></Feature>
  </Product>
</Wix>"#;
    place.write("tool.wxs", source);
    run(Command::new("wixl")
        .args(["--arch", "x64", "-o", "tool-3.2.1.msi", "tool.wxs"])
        .current_dir(place.path()));
    place.path().join("tool-3.2.1.msi")
}

pub(crate) fn nsis(place: &Place) -> PathBuf {
    place.write("app.ico", picture(48, ImageFormat::Ico));
    let script = r#"
Unicode true
Name "Blue Tool"
OutFile "bluetool-setup.exe"
InstallDir "$PROGRAMFILES\Blue Tool"
Icon "app.ico"
VIProductVersion "5.4.3.2"
VIAddVersionKey /LANG=1036 "ProductName" "Outil bleu"
VIAddVersionKey /LANG=1036 "CompanyName" "Acme"
VIAddVersionKey /LANG=1036 "FileDescription" "Installe"
VIAddVersionKey /LANG=1036 "FileVersion" "5.4.3"
VIAddVersionKey /LANG=1033 "ProductName" "Blue Tool"
VIAddVersionKey /LANG=1033 "CompanyName" "Acme"
VIAddVersionKey /LANG=1033 "FileDescription" "Draws blue things"
VIAddVersionKey /LANG=1033 "FileVersion" "5.4.3"
VIAddVersionKey /LANG=1033 "ProductVersion" "5.4.3"
Section
  SetOutPath $INSTDIR
  File "app.ico"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKLM "Software\Microsoft\Windows\CurrentVersion\Uninstall\Blue Tool" "UninstallString" "$INSTDIR\uninstall.exe"
SectionEnd
Section "Uninstall"
SectionEnd
"#;
    place.write("tool.nsi", script);
    run(Command::new("makensis")
        .args(["-V2", "tool.nsi"])
        .current_dir(place.path()));
    place.path().join("bluetool-setup.exe")
}

pub(crate) fn deb(place: &Place, compression: &str) -> PathBuf {
    let icon = |side: u32| format!("tree/usr/share/icons/hicolor/{side}x{side}/apps/redtool.png");
    for side in [16, 48, 128] {
        place.write(&icon(side), picture(side, ImageFormat::Png));
    }
    place.write("tree/usr/bin/redtool", "#!/bin/sh\necho red\n");
    place.write(
        "tree/DEBIAN/control",
        "Package: redtool\nVersion: 1:2.10.1.2.3+dfsg-3\nArchitecture: amd64\nInstalled-Size: 12\n\
         Maintainer: Acme Packagers <deb@example.org>\nDepends: libc6 (>= 2.14),\n zlib1g\n\
         Homepage: https://example.org/red\nDescription: draws red things\n Really red.\n",
    );
    let name = format!("redtool-{compression}.deb");
    run(Command::new("dpkg-deb")
        .args([
            "--root-owner-group",
            &format!("-Z{compression}"),
            "--build",
            "tree",
            &name,
        ])
        .current_dir(place.path()));
    place.path().join(name)
}

pub(crate) fn rpm(place: &Place) -> PathBuf {
    place.write(
        "tool.spec",
        "Name: yellowtool\nVersion: 7.8\nRelease: 9.el9\nSummary: Draws yellow things\nLicense: MIT\n\
         Vendor: Acme\nURL: https://example.org/yellow\nRequires: bash\n\
         %description\nYellow.\n%install\nmkdir -p %{buildroot}/usr/bin\n\
         echo yellow > %{buildroot}/usr/bin/yellowtool\n%files\n/usr/bin/yellowtool\n",
    );
    let define = |name: &str, folder: &str| format!("{name} {}", place.path().join(folder).display());
    run(Command::new("rpmbuild")
        .args([
            "-bb",
            "--quiet",
            "--target",
            "x86_64",
            "--define",
            &define("_topdir", "rpm"),
        ])
        .args([
            "--define",
            &define("_rpmdir", "."),
            "--define",
            "_build_name_fmt yellowtool.rpm",
            "tool.spec",
        ])
        .current_dir(place.path()));
    place.path().join("yellowtool.rpm")
}
