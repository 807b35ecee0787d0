//! Which tool made an EXE installer, and how such installers are told to be silent.

use std::fmt;

/// The tool that made an installer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    InnoSetup,
    Nsis,
    WixBurn,
    InstallShield,
    AdvancedInstaller,
    WExtract,
    SfxCab,
    SevenZipSfx,
    Mozilla,
    Install4j,
    InstallBuilder,
    QtInstaller,
    Squirrel,
    SetupFactory,
    /// None of the marks was found.
    Unknown,
}

impl Maker {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::InnoSetup => "Inno Setup",
            Self::Nsis => "NSIS",
            Self::WixBurn => "WiX bundle",
            Self::InstallShield => "InstallShield",
            Self::AdvancedInstaller => "Advanced Installer",
            Self::WExtract => "WExtract (IExpress)",
            Self::SfxCab => "SFXCab",
            Self::SevenZipSfx => "7-Zip self-extractor",
            Self::Mozilla => "Mozilla installer",
            Self::Install4j => "install4j",
            Self::InstallBuilder => "InstallBuilder",
            Self::QtInstaller => "Qt Installer Framework",
            Self::Squirrel => "Squirrel",
            Self::SetupFactory => "Setup Factory",
            Self::Unknown => "unknown tool",
        }
    }

    /// The switches that install without a question.
    pub fn silent_flags(self) -> &'static str {
        match self {
            Self::InnoSetup => "/VERYSILENT /SUPPRESSMSGBOXES /NORESTART",
            Self::Nsis | Self::SetupFactory => "/S",
            Self::WixBurn => "/quiet /norestart",
            Self::InstallShield | Self::SevenZipSfx => "/s",
            Self::AdvancedInstaller => "/exenoui /qn /norestart",
            Self::WExtract => "/Q",
            Self::SfxCab => "/quiet",
            Self::Mozilla => "-ms",
            Self::Install4j => "-q",
            Self::InstallBuilder => "--mode unattended",
            Self::QtInstaller => "install --accept-licenses --default-answer --confirm-command",
            Self::Squirrel => "--silent",
            Self::Unknown => "/VERYSILENT",
        }
    }

    /// The switches that its uninstaller takes; empty when the system's list holds a whole silent command.
    pub fn uninstall_flags(self) -> &'static str {
        match self {
            Self::InnoSetup => "/VERYSILENT /SUPPRESSMSGBOXES /NORESTART",
            Self::Nsis | Self::Mozilla | Self::SetupFactory => "/S",
            Self::WixBurn => "/uninstall /quiet /norestart",
            Self::Install4j => "-q",
            Self::InstallBuilder => "--mode unattended",
            Self::QtInstaller => "purge --default-answer --confirm-command",
            Self::InstallShield
            | Self::AdvancedInstaller
            | Self::WExtract
            | Self::SfxCab
            | Self::SevenZipSfx
            | Self::Squirrel
            | Self::Unknown => "",
        }
    }

    /// What is known about how such installers behave and a packager should know.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::InstallShield => Some(
                "older InstallShield setups need a response file: record one with `setup.exe /r`, ship it, and add /f1",
            ),
            Self::SevenZipSfx => Some("the switch goes to the program inside; look what it takes"),
            Self::WExtract => {
                Some("/Q silences the unpacking; add /C:\"…\" when the program inside needs switches")
            }
            Self::Squirrel => {
                Some("it installs for the user who runs it; ask the publisher for an MSI for all users")
            }
            Self::Unknown => Some("the switches are a guess: try `/?`, or look at the publisher's pages"),
            _ => None,
        }
    }
}

impl fmt::Display for Maker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What is searched in one program.
#[derive(Debug, Clone, Copy)]
pub struct Clues<'a> {
    /// The program's own bytes, without most of what it carries.
    pub bytes: &'a [u8],
    /// The first bytes of what is appended to the program.
    pub appended: &'a [u8],
    pub sections: &'a [&'a str],
    pub manifest: &'a str,
    /// Texts of the version resource.
    pub texts: &'a [&'a str],
}

impl Clues<'_> {
    /// The mark stands in the bytes, as ASCII or as UTF-16.
    fn bytes_hold(&self, mark: &str) -> bool {
        let wide: Vec<u8> = mark.encode_utf16().flat_map(u16::to_le_bytes).collect();
        find(self.bytes, mark.as_bytes())
            || find(self.bytes, &wide)
            || find(self.appended, mark.as_bytes())
            || find(self.appended, &wide)
    }

    /// The program says it of itself.
    fn says(&self, mark: &str) -> bool {
        self.manifest.contains(mark) || self.texts.iter().any(|text| text.contains(mark))
    }
}

/// Finds the maker by its marks: first what the program declares, then what its code holds.
pub fn detect(clues: &Clues<'_>) -> Maker {
    if clues.sections.contains(&".wixburn") {
        return Maker::WixBurn;
    }
    for (mark, maker) in [
        ("JR.Inno.Setup", Maker::InnoSetup),
        ("Inno Setup", Maker::InnoSetup),
        ("Nullsoft.NSIS", Maker::Nsis),
        ("Nullsoft Install System", Maker::Nsis),
        ("install4j", Maker::Install4j),
        ("AdvancedInstaller", Maker::AdvancedInstaller),
        ("InstallShield", Maker::InstallShield),
        ("Setup Factory", Maker::SetupFactory),
        ("InstallBuilder", Maker::InstallBuilder),
    ] {
        if clues.says(mark) {
            return maker;
        }
    }
    // Mozilla's installers are 7-Zip archives; the name alone occurs in every downloader.
    if clues.bytes_hold("7zS.sfx") {
        return if clues.bytes_hold("Mozilla") {
            Maker::Mozilla
        } else {
            Maker::SevenZipSfx
        };
    }
    for (mark, maker) in [
        ("Inno Setup", Maker::InnoSetup),
        ("NullsoftInst", Maker::Nsis),
        ("Nullsoft.NSIS", Maker::Nsis),
        ("Quiet installer", Maker::Install4j),
        ("install4j", Maker::Install4j),
        ("Advanced Installer", Maker::AdvancedInstaller),
        ("InstallShield", Maker::InstallShield),
        ("wextract_cleanup", Maker::WExtract),
        ("WExtract", Maker::WExtract),
        ("sfxcab.exe", Maker::SfxCab),
        ("SFXCab", Maker::SfxCab),
        ("BitRock", Maker::InstallBuilder),
        ("Qt Installer Framework", Maker::QtInstaller),
        ("SquirrelTemp", Maker::Squirrel),
        ("Setup Factory", Maker::SetupFactory),
    ] {
        if clues.bytes_hold(mark) {
            return maker;
        }
    }
    Maker::Unknown
}

/// Whether a text stands in bytes. Looks for its first byte, which is rare enough to be fast.
fn find(bytes: &[u8], text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else {
        return true;
    };
    let mut from = bytes;
    while let Some(at) = from.iter().position(|byte| byte == first) {
        from = from.get(at + 1..).unwrap_or_default();
        if from.starts_with(rest) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_bytes(bytes: &[u8]) -> Maker {
        detect(&Clues {
            bytes,
            appended: &[],
            sections: &[".text"],
            manifest: "",
            texts: &[],
        })
    }

    #[test]
    fn makers_are_known_by_their_marks() {
        for (text, maker) in [
            ("…Inno Setup…", Maker::InnoSetup),
            ("…NullsoftInst…", Maker::Nsis),
            ("InstallShield", Maker::InstallShield),
            ("wextract_cleanup0", Maker::WExtract),
            ("sfxcab.exe", Maker::SfxCab),
            ("7zS.sfx.exe", Maker::SevenZipSfx),
            ("7zS.sfx.exe Mozilla", Maker::Mozilla),
            ("Mozilla/5.0", Maker::Unknown),
            ("Quiet installer", Maker::Install4j),
            ("nothing", Maker::Unknown),
        ] {
            assert_eq!(with_bytes(text.as_bytes()), maker, "{text}");
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(with_bytes(&wide), maker, "{text}");
        }
    }

    #[test]
    fn what_a_program_declares_counts_more_than_what_it_carries() {
        let clues = Clues {
            bytes: b"InstallShield",
            appended: b"",
            sections: &[],
            manifest: "<assemblyIdentity name=\"JR.Inno.Setup\"/>",
            texts: &[],
        };
        assert_eq!(detect(&clues), Maker::InnoSetup);
        assert_eq!(
            detect(&Clues {
                sections: &[".text", ".wixburn"],
                ..clues
            }),
            Maker::WixBurn
        );
    }
}
