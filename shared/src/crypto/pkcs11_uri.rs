//! PKCS#11 URIs (RFC 7512): the name of a token, or of a key or certificate on one.
//!
//! `pkcs11:token=Alice;object=signing?module-path=/usr/lib/opensc-pkcs11.so`. The path names the object, the query
//! how to reach it. A PIN in the URI (`pin-value`) is refused: command lines, histories and settings files are
//! no place for it; `pin-source` names a file that holds it.

use std::path::PathBuf;
use std::str::FromStr;

use crate::hint::Hint;

/// The longest URI that is read, in bytes.
const MAX_URI_BYTES: usize = 4096;

/// Characters that stand for themselves in a path, beside the unreserved ones (RFC 7512 §2.3).
const IN_PATH: &[u8] = b":[]@!$'()*+,=&";
/// The same in a query.
const IN_QUERY: &[u8] = b":[]@!$'()*+,=/?|";

/// Path attributes that are kept and shown, and not compared: the others tell tokens apart.
const KEPT: [&str; 5] = [
    "library-manufacturer",
    "library-version",
    "library-description",
    "slot-description",
    "slot-manufacturer",
];

/// Why a text is no PKCS#11 URI that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("a PKCS#11 URI begins with pkcs11:")]
    Scheme,
    #[error("the PKCS#11 URI is longer than {MAX_URI_BYTES} bytes")]
    TooLong,
    #[error("{0:?} in the PKCS#11 URI is not of the form name=value")]
    NotAnAttribute(String),
    #[error("the PKCS#11 URI names {0} twice")]
    Twice(String),
    #[error("the PKCS#11 URI has the attribute {0:?}, which is not known")]
    Unknown(String),
    #[error("the value of {0} in the PKCS#11 URI is not percent-encoded text")]
    Encoding(String),
    #[error("{0:?} is not a type of object (public, private, cert, secret-key, data)")]
    Type(String),
    #[error("{0:?} is not the number of a slot")]
    SlotId(String),
    #[error("the PKCS#11 URI carries a PIN (pin-value)")]
    PinValue,
    #[error("the PKCS#11 URI takes its PIN from a program or another place that is no file: {0:?}")]
    PinSource(String),
}

impl Hint for UriError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Scheme | Self::NotAnAttribute(_) | Self::Unknown(_) => {
                vec!["for example 'pkcs11:token=Alice;object=signing'; `muster token list` shows them".into()]
            }
            Self::PinValue => vec![
                "leave it out: a URI ends up in command histories and process lists; the PIN is asked for, or read \
                 with --pin-stdin, or from a file with ?pin-source=file:/path"
                    .into(),
            ],
            Self::PinSource(_) => vec!["name a file: ?pin-source=file:/path".into()],
            Self::Encoding(_) => vec!["write a percent sign as %25, a semicolon as %3B".into()],
            Self::TooLong | Self::Twice(_) | Self::Type(_) | Self::SlotId(_) => Vec::new(),
        }
    }
}

/// The class of an object on a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectType {
    Public,
    Private,
    Cert,
    SecretKey,
    Data,
}

impl ObjectType {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Public, "public"),
        (Self::Private, "private"),
        (Self::Cert, "cert"),
        (Self::SecretKey, "secret-key"),
        (Self::Data, "data"),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(one, _)| *one == self)
            .map_or("", |(_, name)| name)
    }
}

/// What a PKCS#11 URI says. An attribute that is absent matches anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pkcs11Uri {
    /// `CKA_LABEL` of the token.
    pub token: Option<String>,
    pub manufacturer: Option<String>,
    pub serial: Option<String>,
    pub model: Option<String>,
    pub slot_id: Option<u64>,
    /// `CKA_LABEL` of the object.
    pub object: Option<String>,
    pub object_type: Option<ObjectType>,
    /// `CKA_ID` of the object.
    pub id: Option<Vec<u8>>,
    /// The PKCS#11 library.
    pub module_path: Option<PathBuf>,
    /// The library's name without folder and extension.
    pub module_name: Option<String>,
    /// The file that holds the PIN.
    pub pin_source: Option<PathBuf>,
    /// Attributes that are kept and shown, and not compared.
    pub others: Vec<(String, String)>,
}

impl Pkcs11Uri {
    /// The text begins like a PKCS#11 URI; paths never do.
    pub fn is_uri(text: &str) -> bool {
        text.get(..7)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("pkcs11:"))
    }

    fn set_path(&mut self, name: &str, value: Vec<u8>) -> Result<(), UriError> {
        let twice = || UriError::Twice(name.to_owned());
        if name == "id" {
            return self.id.replace(value).map_or(Ok(()), |_| Err(twice()));
        }
        let text = String::from_utf8(value).map_err(|_error| UriError::Encoding(name.to_owned()))?;
        let slot = match name {
            "token" => &mut self.token,
            "manufacturer" => &mut self.manufacturer,
            "serial" => &mut self.serial,
            "model" => &mut self.model,
            "object" => &mut self.object,
            "slot-id" => {
                let number = text.parse().map_err(|_error| UriError::SlotId(text))?;
                return self.slot_id.replace(number).map_or(Ok(()), |_| Err(twice()));
            }
            "type" => {
                let found = ObjectType::ALL.iter().find(|(_, known)| *known == text);
                let (kind, _) = found.ok_or(UriError::Type(text))?;
                return self.object_type.replace(*kind).map_or(Ok(()), |_| Err(twice()));
            }
            kept if KEPT.contains(&kept) || kept.starts_with("x-") => {
                if self.others.iter().any(|(known, _)| known == kept) {
                    return Err(twice());
                }
                self.others.push((kept.to_owned(), text));
                return Ok(());
            }
            _ => return Err(UriError::Unknown(name.to_owned())),
        };
        slot.replace(text).map_or(Ok(()), |_| Err(twice()))
    }

    fn set_query(&mut self, name: &str, value: Vec<u8>) -> Result<(), UriError> {
        let twice = || UriError::Twice(name.to_owned());
        let text = String::from_utf8(value).map_err(|_error| UriError::Encoding(name.to_owned()))?;
        let before = match name {
            "pin-value" => return Err(UriError::PinValue),
            "pin-source" => {
                let path = match text.strip_prefix("file:") {
                    Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
                    None => &text,
                };
                // "|program" and "https:…" are allowed by the RFC; running or fetching something for a PIN is not
                // what somebody expects who only names a key.
                if path.is_empty()
                    || path.starts_with('|')
                    || (path == text && path.contains(':') && !is_drive(path))
                {
                    return Err(UriError::PinSource(text));
                }
                self.pin_source.replace(PathBuf::from(path)).is_some()
            }
            "module-path" => self.module_path.replace(PathBuf::from(text)).is_some(),
            "module-name" => self.module_name.replace(text).is_some(),
            // Vendors' attributes may stand several times and mean nothing here.
            vendor if vendor.starts_with("x-") => false,
            _ => return Err(UriError::Unknown(name.to_owned())),
        };
        if before { Err(twice()) } else { Ok(()) }
    }
}

/// `C:\…`, which has a colon and is a path.
fn is_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic())
}

/// What is no attribute, in a message that repeats nothing which may hold a PIN.
fn not_an_attribute(part: &str) -> UriError {
    let start = part.trim_start().to_ascii_lowercase();
    if start.starts_with("pin-value") {
        UriError::PinValue
    } else if start.starts_with("pin-") {
        UriError::NotAnAttribute("pin-…".to_owned())
    } else {
        UriError::NotAnAttribute(part.to_owned())
    }
}

impl FromStr for Pkcs11Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_URI_BYTES {
            return Err(UriError::TooLong);
        }
        if !Self::is_uri(text) {
            return Err(UriError::Scheme);
        }
        let rest = text.get(7..).unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::default();
        for (part, is_path) in path
            .split(';')
            .map(|part| (part, true))
            .chain(query.split('&').map(|part| (part, false)))
        {
            if part.is_empty() {
                continue;
            }
            let (name, value) = part.split_once('=').ok_or_else(|| not_an_attribute(part))?;
            // Said first, so that no message ever repeats the PIN.
            if name == "pin-value" {
                return Err(UriError::PinValue);
            }
            let value = decoded(value).ok_or_else(|| UriError::Encoding(name.to_owned()))?;
            if is_path {
                uri.set_path(name, value)?;
            } else {
                uri.set_query(name, value)?;
            }
        }
        Ok(uri)
    }
}

impl std::fmt::Display for Pkcs11Uri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("pkcs11:")?;
        let mut path: Vec<String> = Vec::new();
        let mut text = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                path.push(format!("{name}={}", encoded(value.as_bytes(), IN_PATH)));
            }
        };
        text("model", &self.model);
        text("manufacturer", &self.manufacturer);
        text("serial", &self.serial);
        text("token", &self.token);
        for (name, value) in &self.others {
            text(name, &Some(value.clone()));
        }
        text("slot-id", &self.slot_id.map(|id| id.to_string()));
        if let Some(id) = &self.id {
            let mut bytes = String::with_capacity(3 * id.len());
            for byte in id {
                escape(*byte, &mut bytes);
            }
            path.push(format!("id={bytes}"));
        }
        let mut text = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                path.push(format!("{name}={}", encoded(value.as_bytes(), IN_PATH)));
            }
        };
        text("object", &self.object);
        text("type", &self.object_type.map(|kind| kind.as_str().to_owned()));
        f.write_str(&path.join(";"))?;
        let mut query: Vec<String> = Vec::new();
        let mut add = |name: &str, value: String| {
            query.push(format!("{name}={}", encoded(value.as_bytes(), IN_QUERY)));
        };
        if let Some(path) = &self.pin_source {
            add("pin-source", format!("file:{}", path.display()));
        }
        if let Some(path) = &self.module_path {
            add("module-path", path.display().to_string());
        }
        if let Some(name) = &self.module_name {
            add("module-name", name.clone());
        }
        if !query.is_empty() {
            write!(f, "?{}", query.join("&"))?;
        }
        Ok(())
    }
}

fn decoded(value: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            // Control characters are nowhere allowed; other unencoded ones do no harm.
            if byte.is_ascii_control() {
                return None;
            }
            bytes.push(*byte);
            continue;
        }
        let pair = std::str::from_utf8(rest.get(..2)?).ok()?;
        if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(pair, 16).ok()?);
        rest = rest.get(2..)?;
    }
    Some(bytes)
}

fn escape(byte: u8, text: &mut String) {
    use std::fmt::Write as _;
    // Writing to a string cannot fail.
    write!(text, "%{byte:02X}").ok();
}

fn encoded(bytes: &[u8], also: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        let stays = byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || also.contains(byte);
        if stays {
            text.push(char::from(*byte));
        } else {
            escape(*byte, &mut text);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Pkcs11Uri, UriError> {
        text.parse()
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        // RFC 7512 §3.
        let uri = parse("pkcs11:object=my-pubkey;type=public").unwrap();
        assert_eq!(uri.object.as_deref(), Some("my-pubkey"));
        assert_eq!(uri.object_type, Some(ObjectType::Public));
        assert_eq!(parse("pkcs11:").unwrap(), Pkcs11Uri::default());
        let uri = parse(
            "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;\
             object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91;serial=?pin-source=file:/etc/token_pin",
        )
        .unwrap();
        assert_eq!(uri.token.as_deref(), Some("The Software PKCS#11 Softtoken"));
        assert_eq!(uri.manufacturer.as_deref(), Some("Snake Oil, Inc."));
        assert_eq!(uri.id.as_deref(), Some(&b"\x69\x95\x3e\x5c\xf4\xbd\xec\x91"[..]));
        assert_eq!(uri.pin_source, Some("/etc/token_pin".into()));
        let uri = parse("pkcs11:object=my-sign-key;type=private?module-name=mypkcs11").unwrap();
        assert_eq!(uri.module_name.as_deref(), Some("mypkcs11"));
        let uri = parse(
            "pkcs11:slot-description=Sun%20Metaslot;library-version=3?module-path=/mnt/libmypkcs11.so.1&x-v=1&x-v=2",
        )
        .unwrap();
        assert_eq!(uri.module_path, Some("/mnt/libmypkcs11.so.1".into()));
        assert_eq!(uri.others.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_named_and_a_pin_never_repeated() {
        let error = |text: &str| parse(text).unwrap_err();
        assert_eq!(error("file:/a"), UriError::Scheme);
        assert_eq!(error("pkcs11:token"), UriError::NotAnAttribute("token".into()));
        for slip in ["pkcs11:token=a?pin-value:1234", "pkcs11:PIN-value%3D1234"] {
            assert_eq!(error(slip), UriError::PinValue, "{slip}");
        }
        assert_eq!(error("pkcs11:token=a;token=b"), UriError::Twice("token".into()));
        assert_eq!(error("pkcs11:tocken=a"), UriError::Unknown("tocken".into()));
        assert_eq!(error("pkcs11:token=%4"), UriError::Encoding("token".into()));
        assert_eq!(error("pkcs11:token=%+1"), UriError::Encoding("token".into()));
        assert_eq!(error("pkcs11:token=%ff"), UriError::Encoding("token".into()));
        assert_eq!(error("pkcs11:type=key"), UriError::Type("key".into()));
        assert_eq!(error("pkcs11:slot-id=x"), UriError::SlotId("x".into()));
        let error = error("pkcs11:token=a?pin-value=1234");
        assert_eq!(error, UriError::PinValue);
        assert!(!format!("{error}{:?}", error.hints()).contains("1234"));
        assert!(matches!(
            parse("pkcs11:?pin-source=|cat"),
            Err(UriError::PinSource(_))
        ));
        assert!(matches!(
            parse("pkcs11:?pin-source=https://a"),
            Err(UriError::PinSource(_))
        ));
        assert!(parse("pkcs11:?pin-source=/a").is_ok());
        let long = format!("pkcs11:token={}", "a".repeat(5000));
        assert_eq!(parse(&long).unwrap_err(), UriError::TooLong);
    }

    fn text() -> impl Strategy<Value = Option<String>> {
        proptest::option::of("[^\\p{Cc}]{0,20}")
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back_the_same(
            (token, manufacturer, serial, model) in (text(), text(), text(), text()),
            object in text(),
            id in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
            slot_id in proptest::option::of(any::<u64>()),
            module in proptest::option::of("/[a-zA-Z0-9 ?&=%/]{0,20}"),
            kind in proptest::option::of(0_usize..5),
        ) {
            let uri = Pkcs11Uri {
                token, manufacturer, serial, model, object, id, slot_id,
                module_path: module.map(PathBuf::from),
                object_type: kind.and_then(|at| ObjectType::ALL.get(at)).map(|(kind, _)| *kind),
                ..Pkcs11Uri::default()
            };
            let printed = uri.to_string();
            prop_assume!(printed.len() <= MAX_URI_BYTES);
            prop_assert!(printed.is_ascii());
            prop_assert_eq!(parse(&printed).unwrap(), uri);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(pkcs11:)?.{0,60}") {
            parse(&text).ok();
        }
    }
}
