//! Installers of small Windows programs, made for a test: an MSI by wixl, an EXE by makensis.
//!
//! Each brings one file, `program.txt` with its version in a folder of its name below Program Files, and its uninstall
//! key.

use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

const WXS: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
  <Product Id="@CODE@" UpgradeCode="@FAMILY@" Name="@NAME@" Version="@VERSION@" Manufacturer="Demo Software"
           Language="1033">
    <Package InstallerVersion="200" Compressed="yes" InstallScope="perMachine"/>
    @CONDITION@
    <Media Id="1" Cabinet="product.cab" EmbedCab="yes"/>
    <Directory Id="TARGETDIR" Name="SourceDir">
      <Directory Id="ProgramFiles64Folder">
        <Directory Id="INSTALLDIR" Name="@NAME@">
          <Component Id="Program" Guid="@COMPONENT@" Win64="yes">
            <File Id="Text" Name="program.txt" Source="program.txt" KeyPath="yes"/>
          </Component>
        </Directory>
      </Directory>
    </Directory>
    <Feature Id="Main" Level="1"><ComponentRef Id="Program"/></Feature>
    @SEQUENCE@
  </Product>
</Wix>
"#;

const NSI: &str = r#"Unicode true
Name "@NAME@"
OutFile "made.exe"
RequestExecutionLevel admin
InstallDir "$PROGRAMFILES64\@NAME@"
VIProductVersion "@VERSION@.0"
VIAddVersionKey "ProductName" "@NAME@"
VIAddVersionKey "ProductVersion" "@VERSION@"
VIAddVersionKey "FileVersion" "@VERSION@"
VIAddVersionKey "CompanyName" "Demo Software"
VIAddVersionKey "FileDescription" "@NAME@ installer"
VIAddVersionKey "LegalCopyright" "Demo"
!include "FileFunc.nsh"
!define KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\@NAME@"

Section
  SetRegView @VIEW@
  ${GetParameters} $R0
  ClearErrors
  ${GetOptions} $R0 "/FINISH" $R1
  IfErrors 0 finish
  SetOutPath "$INSTDIR"
  File "program.txt"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  StrCmp "@LATE@" "0" finish
  CopyFiles /SILENT "$EXEPATH" "$INSTDIR\setup.exe"
  Exec '"$INSTDIR\setup.exe" /S /FINISH'
  Goto done
finish:
  Sleep @LATE@
  WriteRegStr HKLM "${KEY}" "DisplayName" "@NAME@"
  WriteRegStr HKLM "${KEY}" "DisplayVersion" "@VERSION@"
  WriteRegStr HKLM "${KEY}" "Publisher" "Demo Software"
  WriteRegStr HKLM "${KEY}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKLM "${KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKLM "${KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
done:
SectionEnd

Section "Uninstall"
  SetRegView @VIEW@
  DeleteRegKey HKLM "${KEY}"
  RMDir /r "$INSTDIR"
SectionEnd
"#;

/// An MSI.
pub struct Msi {
    name: &'static str,
    version: &'static str,
    condition: &'static str,
    sequence: &'static str,
}

impl Msi {
    /// A program of this name and version (`1.2.3`).
    pub fn new(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            condition: "",
            sequence: "",
        }
    }

    /// It finds every machine unfit: msiexec ends with 1603.
    #[must_use]
    pub fn refusing(mut self) -> Self {
        self.condition = r#"<Condition Message="This machine is not supported.">0</Condition>"#;
        self
    }

    /// It asks for a restart: msiexec ends with 3010.
    #[must_use]
    pub fn wanting_restart(mut self) -> Self {
        self.sequence =
            r#"<InstallExecuteSequence><ScheduleReboot After="InstallFinalize"/></InstallExecuteSequence>"#;
        self
    }

    /// Its product code, which is its uninstall key.
    pub fn key(&self) -> String {
        format!("{{{}}}", code(&[self.name, self.version]))
    }

    /// Writes it.
    ///
    /// # Panics
    /// When wixl refuses.
    pub fn make(&self, into: &Path) {
        let text = WXS
            .replace("@CODE@", &code(&[self.name, self.version]))
            .replace("@FAMILY@", &code(&[self.name]))
            .replace("@COMPONENT@", &code(&[self.name, "program"]))
            .replace("@CONDITION@", self.condition)
            .replace("@SEQUENCE@", self.sequence);
        let text = with_name(&text, self.name, self.version);
        let place = place(self.version);
        fs_err::write(place.path().join("made.wxs"), text).expect("writing made.wxs");
        make(place.path(), "wixl", &["--arch", "x64", "-o", "made", "made.wxs"]);
        fs_err::copy(place.path().join("made"), into).expect("copying the MSI");
    }
}

/// An EXE as NSIS makes them.
pub struct Exe {
    name: &'static str,
    version: &'static str,
    view: &'static str,
    late_millis: u32,
}

impl Exe {
    /// A program of this name, which is its uninstall key, and version (`1.2.3`).
    pub fn new(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            view: "64",
            late_millis: 0,
        }
    }

    /// Its uninstall key is among those of 32-bit programs.
    #[must_use]
    pub fn for_32_bits(mut self) -> Self {
        self.view = "32";
        self
    }

    /// It ends while a second process of it works on, and writes the uninstall key so much later.
    #[must_use]
    pub fn finishing_later(mut self, millis: u32) -> Self {
        self.late_millis = millis;
        self
    }

    /// Writes it.
    ///
    /// # Panics
    /// When makensis refuses.
    pub fn make(&self, into: &Path) {
        let text = NSI
            .replace("@VIEW@", self.view)
            .replace("@LATE@", &self.late_millis.to_string());
        let place = place(self.version);
        fs_err::write(
            place.path().join("made.nsi"),
            with_name(&text, self.name, self.version),
        )
        .expect("writing made.nsi");
        // Wine here runs 64-bit programs only.
        make(
            place.path(),
            "makensis",
            &["-V1", "-XTarget amd64-unicode", "made.nsi"],
        );
        fs_err::copy(place.path().join("made.exe"), into).expect("copying the EXE");
    }
}

fn with_name(text: &str, name: &str, version: &str) -> String {
    text.replace("@NAME@", name).replace("@VERSION@", version)
}

/// A folder with the file that is installed.
fn place(version: &str) -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder for an installer");
    fs_err::write(place.path().join("program.txt"), version).expect("writing program.txt");
    place
}

fn make(folder: &Path, program: &str, args: &[&str]) {
    let made = Command::new(program)
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(made.status.success(), "{program}: {made:?}");
}

/// An identifier as the installer service writes them, always the same for the same words.
fn code(words: &[&str]) -> String {
    let digest = Sha256::digest(words.join("/").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(bytes).hyphenated().to_string().to_uppercase()
}
