//! Signing in: address, certificate check before any password is sent, user, password.

use super::input::{Input, Secret};
use crate::remote::Problem;
use crate::worker::{Known, Request, SeenCertificate};

/// How many characters of the fingerprint a person types.
pub const TYPED_CHARACTERS: usize = 8;

/// Where signing in stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Stage {
    #[default]
    Form,
    /// Looking at the server's certificate.
    Looking,
    /// The person compares the certificate.
    Compare(Box<SeenCertificate>),
    /// The password is on its way.
    Sending,
}

/// The form.
#[derive(Debug, Default)]
pub struct SignIn {
    pub address: Input,
    pub user: Input,
    pub password: Secret,
    /// The first characters of the fingerprint.
    pub typed: Input,
    pub stage: Stage,
    pub problem: Option<Problem>,
    known: Known,
}

impl SignIn {
    /// Fills the form from what was kept, leaving what is there already.
    pub fn take_known(&mut self, known: Known) {
        if let Some(last) = known.servers.first() {
            if self.address.text().is_empty() {
                self.address.set(last.address.clone());
            }
            if self.user.text().is_empty() {
                self.user.set(last.user.clone());
            }
        }
        self.known = known;
    }

    /// The pinned line for what is typed: itself when it carries a pin, else that of a known server.
    fn line(&self) -> Option<String> {
        let address = self.address.text().trim().to_owned();
        if address.contains("#sha256=") {
            return Some(address);
        }
        let plain = plain_address(&address);
        self.known
            .servers
            .iter()
            .find(|server| plain_address(&server.address) == plain && server.line.contains("#sha256="))
            .map(|server| server.line.clone())
    }

    /// How many servers are known; changes when the settings arrive.
    pub fn known_count(&self) -> usize {
        self.known.servers.len()
    }

    /// The server of the address is known with its certificate.
    pub fn is_known(&self) -> bool {
        self.line().is_some()
    }

    /// Goes on: looks at the certificate, accepts what was compared, or sends the password.
    pub fn submit(&mut self) -> Option<Request> {
        self.problem = None;
        match std::mem::take(&mut self.stage) {
            Stage::Form => {
                if let Err(problem) = self.check() {
                    self.problem = Some(problem);
                    return None;
                }
                if let Some(line) = self.line() {
                    return Some(self.send(line));
                }
                self.stage = Stage::Looking;
                Some(Request::Inspect {
                    address: self.address.text().trim().to_owned(),
                })
            }
            Stage::Compare(seen) => {
                if self.typed_matches(&seen) {
                    let line = seen.line.clone();
                    self.address.set(line.clone());
                    return Some(self.send(line));
                }
                self.problem = Some(
                    Problem::new("these are not the first eight characters of the fingerprint shown").with_hint(
                        "compare with the line that `muster-server init` printed, and type what is shown there",
                    ),
                );
                self.stage = Stage::Compare(seen);
                None
            }
            busy @ (Stage::Looking | Stage::Sending) => {
                self.stage = busy;
                None
            }
        }
    }

    /// The certificate was not what the person expected.
    pub fn back(&mut self) {
        self.stage = Stage::Form;
        self.typed.set("");
        self.problem = None;
    }

    /// Notes which certificate the server presents.
    pub fn inspected(&mut self, result: Result<SeenCertificate, Problem>) {
        match result {
            Ok(seen) => self.stage = Stage::Compare(Box::new(seen)),
            Err(problem) => self.failed(problem),
        }
    }

    /// Signing in did not work; the password is asked for again.
    pub fn failed(&mut self, problem: Problem) {
        self.stage = Stage::Form;
        self.problem = Some(problem);
        self.typed.set("");
    }

    /// What was typed is the beginning of the fingerprint.
    pub fn typed_matches(&self, seen: &SeenCertificate) -> bool {
        let typed: String = self
            .typed
            .text()
            .chars()
            .filter(char::is_ascii_hexdigit)
            .collect();
        typed.len() >= TYPED_CHARACTERS
            && seen
                .fingerprint
                .get(..typed.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(&typed))
    }

    fn check(&self) -> Result<(), Problem> {
        if self.address.text().trim().is_empty() {
            return Err(Problem::new("no server is named")
                .with_hint("type its name, or paste the muster:// line that `muster-server init` printed"));
        }
        if self.user.text().trim().is_empty() {
            return Err(Problem::new("no user is named"));
        }
        if self.password.is_empty() {
            return Err(Problem::new("the password is empty"));
        }
        Ok(())
    }

    fn send(&mut self, address: String) -> Request {
        self.stage = Stage::Sending;
        Request::SignIn {
            address,
            user: self.user.text().trim().to_owned(),
            password: self.password.take(),
        }
    }
}

/// An address without scheme, pin, default port and letter case.
fn plain_address(address: &str) -> String {
    let address = address.trim();
    let address = address.split('#').next().unwrap_or_default();
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let address = address.trim_end_matches('/').to_ascii_lowercase();
    address.strip_suffix(":443").map(str::to_owned).unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::KnownServerEntry;

    fn form(address: &str) -> SignIn {
        let form = SignIn::default();
        form.address.set(address);
        form.user.set("admin");
        form.password.edit(|text| text.push_str("secret"));
        form
    }

    fn seen() -> SeenCertificate {
        SeenCertificate {
            line: "muster://srv#sha256=0123456789abcdef".to_owned(),
            subject: "CN=srv".to_owned(),
            issuer: "CN=Muster CA".to_owned(),
            fingerprint: "0123456789abcdef".to_owned(),
            not_after: Timestamp::UNIX_EPOCH,
        }
    }
    use jiff::Timestamp;

    #[test]
    fn no_password_is_sent_to_an_unknown_server_before_its_fingerprint_was_typed() {
        let mut form = form("srv");
        assert!(matches!(form.submit(), Some(Request::Inspect { .. })));
        form.inspected(Ok(seen()));
        form.typed.set("0123");
        assert!(form.submit().is_none(), "four characters are not enough");
        form.typed.set("99999999");
        assert!(form.submit().is_none());
        assert!(form.problem.is_some());
        form.typed.set("01:23:45:67");
        let Some(Request::SignIn { address, .. }) = form.submit() else {
            panic!("not sent")
        };
        assert_eq!(address, seen().line);
    }

    #[test]
    fn a_line_with_a_pin_and_a_known_server_need_no_typing() {
        let mut with_pin = form("muster://srv#sha256=abcd");
        assert!(matches!(with_pin.submit(), Some(Request::SignIn { .. })));
        let mut known = form("https://SRV:443/");
        known.take_known(Known {
            servers: vec![KnownServerEntry {
                line: "muster://srv#sha256=abcd".to_owned(),
                address: "srv".to_owned(),
                user: "someone".to_owned(),
            }],
            theme: String::new(),
        });
        let Some(Request::SignIn { address, user, .. }) = known.submit() else {
            panic!("not sent")
        };
        assert_eq!(
            (address.as_str(), user.as_str()),
            ("muster://srv#sha256=abcd", "admin")
        );
    }
}
