//! EXE installers: who made them, what they install, how they keep silent.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use fs_err::File;

use super::naming::{one_line, software_version};
use super::silent::{Clues, Maker, detect};
use super::{Bad, Installer, Kind, Numbers as _, pe};

/// What is searched for marks of the maker: the program, and the beginning of what it carries.
const SCANNED_BYTES: usize = 16 << 20;
const APPENDED_BYTES: u64 = 600 << 10;

pub(super) fn read(path: &Path, mut file: File) -> Result<Installer, Bad> {
    let bytes = pe::load(&mut file)?;
    let image = pe::Image::parse(&bytes)?;
    let mut appended = Vec::new();
    file.seek(SeekFrom::Start(bytes.len() as u64))?;
    file.take(APPENDED_BYTES).read_to_end(&mut appended)?;
    let texts = image.version();
    let manifest = image.manifest();
    let text = |name: &str| one_line(texts.get(name), 300);
    let said = [
        text("Comments"),
        text("FileDescription"),
        text("LegalTrademarks"),
        text("CompanyName"),
    ];
    let sections: Vec<&str> = image
        .sections
        .iter()
        .map(|section| section.name.as_str())
        .collect();
    let maker = detect(&Clues {
        bytes: bytes.get(..bytes.len().min(SCANNED_BYTES)).unwrap_or_default(),
        appended: &appended,
        sections: &sections,
        manifest: &manifest,
        texts: &said.each_ref().map(String::as_str),
    });

    let mut found = Installer::new(path, Kind::Exe(maker));
    found.product = text("ProductName");
    found.version = version(
        &[text("ProductVersion"), text("FileVersion")],
        &[texts.fixed_product_version(), texts.fixed_file_version()],
    );
    found.publisher = text("CompanyName");
    found.description = match text("FileDescription") {
        said if said.is_empty() => found.product.clone(),
        said => said,
    };
    if found.product.is_empty() {
        found.product = guessed_product(&found.file_name);
        found.ask(format!(
            "it names no product: is {:?}, out of its file name, right?",
            found.product
        ));
    }
    if found.version.is_empty() {
        if let Some(version) = version_in_name(&found.file_name) {
            found.version = version;
            found.ask(format!(
                "it names no version: {} stands in its file name",
                found.version
            ));
        } else {
            found.ask("it names no version");
        }
    }
    found.short_name.clone_from(&found.product);
    found.silent_flags = Some(maker.silent_flags().to_owned());
    found.uninstall_key = uninstall_key(maker, &image, &found.product);
    found.icon = image.icon();
    architecture(&mut found, &image, maker);
    found.fact("made with", maker.name());
    found.fact("silent uninstall", maker.uninstall_flags());
    if texts.translations() > 1 {
        found.fact("translations", texts.translations().to_string());
    }
    found.fact("copyright", text("LegalCopyright"));
    if let Some(advice) = maker.advice() {
        found.ask(advice);
    }
    match (&found.uninstall_key, maker) {
        (Some(_), Maker::WixBurn) => {}
        (Some(key), _) => {
            let question = format!("the uninstall key {key:?} is what most {maker} installers use: compare it with what the test shows");
            found.ask(question);
        }
        (None, _) => found.ask(
            "the file does not tell its uninstall key: install it once by `muster package test`, which lists the keys that appeared, and write it into setup.py",
        ),
    }
    Ok(found)
}

/// The stub of most installers is 32-bit whatever it installs, so that only 64-bit stubs tell something.
fn architecture(found: &mut Installer, image: &pe::Image<'_>, maker: Maker) {
    match image.architecture() {
        Some("x64") => {
            found.architecture = "x64";
            found.fact("program", "64-bit");
        }
        Some(_) => {
            found.fact("program", "32-bit");
            let name = found.file_name.to_ascii_lowercase();
            if ["x64", "win64", "amd64", "64bit", "64-bit", "x86_64"]
                .iter()
                .any(|word| name.contains(word))
            {
                found.architecture = "x64";
                found.ask(format!(
                    "its file name says 64-bit, so the architecture is x64; the {maker} program itself is 32-bit and does not tell"
                ));
            }
        }
        None => {
            found.fact("program", format!("machine {:#06x}", image.machine));
            found.ask("it is for another processor than x86 and x64 (ARM64?), for which packages have no architecture");
        }
    }
}

/// The most telling version: a text that begins with numbers, else the numbers of the resource.
fn version(texts: &[String], fixed: &[Option<String>]) -> String {
    let is_telling = |text: &&String| {
        software_version(text).is_some_and(|version| {
            version
                .split('.')
                .any(|member| member.bytes().any(|digit| digit != b'0'))
        })
    };
    texts
        .iter()
        .find(is_telling)
        .or_else(|| fixed.iter().flatten().find(is_telling))
        .cloned()
        .unwrap_or_default()
}

/// Where Windows lists the software, when the maker's convention tells.
fn uninstall_key(maker: Maker, image: &pe::Image<'_>, product: &str) -> Option<String> {
    match maker {
        Maker::WixBurn => bundle_id(image),
        Maker::Nsis if !product.is_empty() && !product.contains(['\\', '/']) => Some(product.to_owned()),
        _ => None,
    }
}

/// The identifier of a WiX bundle: it follows mark and version of the section.
fn bundle_id(image: &pe::Image<'_>) -> Option<String> {
    let section = image.section(".wixburn")?;
    let guid = section.part(8, 16)?;
    (section.u32_at(0)? == 0x00f1_4300 && guid.iter().any(|byte| *byte != 0)).then_some(())?;
    let (first, second, third) = (guid.u32_at(0)?, guid.u16_at(4)?, guid.u16_at(6)?);
    let rest = hex::encode_upper(guid.get(8..)?);
    let (fourth, fifth) = rest.split_at_checked(4)?;
    Some(format!(
        "{{{first:08X}-{second:04X}-{third:04X}-{fourth}-{fifth}}}"
    ))
}

/// The words of a file name that are no version.
fn guessed_product(file_name: &str) -> String {
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
    let words: Vec<&str> = stem
        .split(['-', '_', ' '])
        .filter(|word| {
            !word.is_empty()
                && !word.starts_with(|letter: char| letter.is_ascii_digit())
                && !["setup", "installer", "install", "x64", "x86", "win64", "win32"]
                    .contains(&word.to_ascii_lowercase().as_str())
        })
        .collect();
    if words.is_empty() {
        stem.to_owned()
    } else {
        words.join(" ")
    }
}

/// A version with at least one dot in a file name.
fn version_in_name(file_name: &str) -> Option<String> {
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
    stem.split(['-', '_', ' ', '('])
        .filter_map(|word| {
            let word = word.trim_start_matches(['v', 'V']);
            word.starts_with(|letter: char| letter.is_ascii_digit())
                .then(|| software_version(word))?
        })
        .find(|version| version.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_tell_what_resources_do_not() {
        assert_eq!(guessed_product("My-Tool_Setup-1.2.3-x64.exe"), "My Tool");
        assert_eq!(guessed_product("setup.exe"), "setup");
        assert_eq!(version_in_name("tool-1.2.3-x64.exe").as_deref(), Some("1.2.3"));
        assert_eq!(version_in_name("tool-v7.0.exe").as_deref(), Some("7.0"));
        assert_eq!(version_in_name("7zip.exe"), None);
    }

    #[test]
    fn a_version_of_zeros_is_passed_over() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(version(&["0.0.0.0".into(), "1.2".into()], &[]), "1.2");
        assert_eq!(
            version(
                &[String::new(), "beta".into()],
                &[some("0.0.0.0"), some("3.1.0.0")]
            ),
            "3.1.0.0"
        );
        assert_eq!(version(&[String::new()], &[None]), "");
    }
}
