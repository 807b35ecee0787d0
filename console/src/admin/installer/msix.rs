//! MSIX and APPX packages: identity, names and logo out of the manifest.

use std::io::Read as _;
use std::path::Path;

use fs_err::File;
use zip::ZipArchive;

use super::naming::one_line;
use super::{Bad, Installer, Kind, bad, icon};

const MAX_MANIFEST: u64 = 4 << 20;
const MAX_LOGO: u64 = 4 << 20;
const MAX_ENTRIES: usize = 100_000;

pub(super) fn read(path: &Path, file: File) -> Result<Installer, Bad> {
    let mut archive = ZipArchive::new(file).map_err(|error| Bad::Content(error.to_string()))?;
    if archive.len() > MAX_ENTRIES {
        return bad("it has too many files");
    }
    let bundle = member(&mut archive, "AppxMetadata/AppxBundleManifest.xml", MAX_MANIFEST);
    let is_bundle = bundle.is_some();
    let Some(bytes) = bundle.or_else(|| member(&mut archive, "AppxManifest.xml", MAX_MANIFEST)) else {
        return bad("it holds no manifest");
    };
    let manifest = String::from_utf8_lossy(&bytes);
    let Some(identity) = tag(&manifest, "Identity") else {
        return bad("its manifest has no identity");
    };
    let mut found = Installer::new(path, Kind::Msix);
    let name = one_line(&attribute(identity, "Name"), 100);
    if name.is_empty() {
        return bad("its manifest names no package");
    }
    found.version = one_line(&attribute(identity, "Version"), 60);
    found.publisher = text_of(&manifest, "PublisherDisplayName");
    if found.publisher.is_empty() {
        let certificate = attribute(identity, "Publisher");
        found.publisher = one_line(
            certificate
                .split(',')
                .next()
                .unwrap_or_default()
                .trim_start_matches("CN="),
            200,
        );
    }
    found.product = text_of(&manifest, "DisplayName");
    if found.product.is_empty() {
        name.rsplit('.')
            .next()
            .unwrap_or(&name)
            .clone_into(&mut found.product);
    }
    found.short_name.clone_from(&found.product);
    found.description = match text_of(&manifest, "Description") {
        text if text.is_empty() => found.product.clone(),
        text => text,
    };
    match attribute(identity, "ProcessorArchitecture")
        .to_ascii_lowercase()
        .as_str()
    {
        "x64" => found.architecture = "x64",
        "arm64" | "arm" => found.ask("it is for ARM, for which packages have no architecture"),
        _ => {}
    }
    if is_bundle {
        found.fact("bundle", "holds packages for several processors or languages");
    }
    found.fact("identity", name.clone());
    found.uninstall_key = Some(name);
    found.icon = logo(&mut archive, &manifest);
    found.ask("its signer must be trusted by the machines, or the certificate be installed first");
    Ok(found)
}

fn member(archive: &mut ZipArchive<File>, name: &str, limit: u64) -> Option<Vec<u8>> {
    let entry = archive.by_name(name).ok()?;
    let mut bytes = Vec::new();
    entry.take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The logo in the size nearest to an icon; files carry their scale in the name.
fn logo(archive: &mut ZipArchive<File>, manifest: &str) -> Option<Vec<u8>> {
    let wanted = text_of(manifest, "Logo").replace('\\', "/");
    let stem = wanted
        .rsplit_once('.')
        .map_or(wanted.as_str(), |(stem, _)| stem)
        .to_owned();
    if stem.is_empty() {
        return None;
    }
    let mut names: Vec<String> = archive
        .file_names()
        .filter_map(|name| name.ok().map(std::borrow::Cow::into_owned))
        .filter(|name| {
            name.starts_with(&stem) && Path::new(name).extension().is_some_and(|kind| kind == "png")
        })
        .collect();
    names.sort_by_key(|name| (!name.contains("scale-100"), *name != wanted, name.len()));
    names
        .iter()
        .take(8)
        .find_map(|name| icon::from_png(&member(archive, name, MAX_LOGO)?))
}

/// The inside of the first tag of a name, with its attributes.
fn tag<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let open = format!("<{name}");
    xml.match_indices(&open).find_map(|(at, _)| {
        let rest = xml.get(at + open.len()..)?;
        let inside = rest.get(..rest.find('>')?)?;
        inside
            .chars()
            .next()
            .is_none_or(|letter| letter.is_whitespace() || letter == '/')
            .then_some(inside)
    })
}

fn attribute(tag: &str, name: &str) -> String {
    let find = |quote: char| {
        let open = format!("{name}={quote}");
        let (at, _) = tag
            .match_indices(&open)
            .find(|(at, _)| tag.get(..*at).unwrap_or_default().ends_with(char::is_whitespace))?;
        let rest = tag.get(at + open.len()..)?;
        rest.split(quote).next().map(plain)
    };
    find('"').or_else(|| find('\'')).unwrap_or_default()
}

/// The text of the first element of a name; empty for references into resources.
fn text_of(xml: &str, name: &str) -> String {
    let text = xml
        .split_once(&format!("<{name}>"))
        .and_then(|(_, rest)| rest.split_once("</"))
        .map(|(text, _)| one_line(&plain(text), 300))
        .unwrap_or_default();
    if text.starts_with("ms-resource:") {
        String::new()
    } else {
        text
    }
}

fn plain(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_and_texts_are_read_from_the_manifest() {
        let xml = "<Package><Identity Name=\"Acme.Tool\" Publisher='CN=A &amp; B, O=x' Version=\"1.2.0.0\"/>\n\
            <Properties><DisplayName>Tool</DisplayName><Description>ms-resource:d</Description></Properties></Package>";
        let identity = tag(xml, "Identity").unwrap();
        assert_eq!(attribute(identity, "Name"), "Acme.Tool");
        assert_eq!(attribute(identity, "Publisher"), "CN=A & B, O=x");
        assert_eq!(text_of(xml, "DisplayName"), "Tool");
        assert_eq!(text_of(xml, "Description"), "");
        assert_eq!(tag(xml, "Ident"), None);
    }
}
