//! The table of error codes: one code per kind, its HTTP status and its meaning.

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($variant:ident, $code:literal, $status:literal, $meaning:literal;)*) => {
        /// One kind of failure. Clients match on this, never on the message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $(#[doc = $meaning] #[serde(rename = $code)] $variant,)*
            /// A code that this version does not know (a newer peer).
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl ErrorCode {
            /// Every code of this version, in the order of the table.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant),*];

            /// The word that crosses the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* Self::Unknown => "unknown" }
            }

            /// The HTTP status that carries this code.
            pub fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)* Self::Unknown => 500 }
            }

            /// What the code means, for documentation.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* Self::Unknown => "a code of a newer version" }
            }
        }
    };
}

error_codes! {
    // what was asked
    RequestInvalid, "request_invalid", 400, "the request cannot be read as what it should be";
    FilterInvalid, "filter_invalid", 400, "the filter expression cannot be read";
    BodyTooLarge, "body_too_large", 413, "the body is larger than this route takes";
    NotFound, "not_found", 404, "there is no such object";
    RouteNotFound, "route_not_found", 404, "there is no such route";
    MethodNotAllowed, "method_not_allowed", 405, "the route exists, but not with this method";
    Conflict, "conflict", 409, "the object already exists or is in another state";
    Changed, "changed", 412, "the object was changed by someone else since it was read";
    // people
    SignInRequired, "sign_in_required", 401, "no valid session";
    SignInFailed, "sign_in_failed", 401, "user and password do not match";
    LockedOut, "locked_out", 429, "too many failed sign-ins; wait";
    RightMissing, "right_missing", 403, "the user's role does not include this";
    // machines
    HostSignatureMissing, "host_signature_missing", 401, "the request is not signed by a host";
    HostSignatureInvalid, "host_signature_invalid", 401, "the host's signature does not match the request";
    HostClockWrong, "host_clock_wrong", 401, "the request's time is too far from the server's; the answer carries the server's time";
    HostRequestReplayed, "host_request_replayed", 401, "the nonce was already used";
    HostRequestTooEarly, "host_request_too_early", 503, "the request was signed before this server started; sign it again";
    HostUnknown, "host_unknown", 401, "no host with this key; register first";
    HostPending, "host_pending", 403, "the host waits for an administrator's decision";
    HostForbidden, "host_forbidden", 403, "the object belongs to another host";
    RegistrationRefused, "registration_refused", 403, "the registration carries no proof that this server accepts";
    EnrolmentTokenInvalid, "enrolment_token_invalid", 403, "the enrolment token is unknown, used up or expired";
    // packages
    PackageUnreadable, "package_unreadable", 422, "the file is not a package that can be read within the limits";
    PackageControlInvalid, "package_control_invalid", 422, "the control file breaks a rule";
    PackageUnsigned, "package_unsigned", 422, "the package carries no signature";
    PackageSignatureInvalid, "package_signature_invalid", 422, "a signature of the package does not match its content";
    PackageSignatureUntrusted, "package_signature_untrusted", 422, "the signer is not trusted here";
    PackageContentChanged, "package_content_changed", 422, "a file differs from the signed manifest, is missing or is extra";
    PackageCodeSigningRequired, "package_code_signing_required", 422, "the package carries code and its signer may not sign code";
    PackageExists, "package_exists", 409, "the same version is already in the repository with other content";
    PackageHashMismatch, "package_hash_mismatch", 422, "the bytes received are not the bytes announced";
    PackageIsHost, "package_is_host", 422, "a host package is uploaded to its host, not to the repository";
    // actions and signed documents
    EnvelopeInvalid, "envelope_invalid", 422, "the envelope cannot be read";
    EnvelopeSignatureInvalid, "envelope_signature_invalid", 422, "the signature does not match the payload";
    EnvelopeSignerUntrusted, "envelope_signer_untrusted", 422, "the signer is not trusted here";
    EnvelopeSignerForbidden, "envelope_signer_forbidden", 422, "the signer may not order this";
    PayloadUnsupported, "payload_unsupported", 422, "the signed payload has an unknown field, version or type";
    ActionNotYetValid, "action_not_yet_valid", 422, "the action is not valid yet";
    ActionExpired, "action_expired", 422, "the action has expired";
    ActionReplayed, "action_replayed", 409, "the action was already accepted";
    ActionNotForHost, "action_not_for_host", 422, "the action does not name this host";
    ActionTargetsMismatch, "action_targets_mismatch", 422, "the list of targets is not the one that was signed";
    ActionInvalid, "action_invalid", 422, "the action's arguments break a rule";
    // the machine underneath
    StorageFull, "storage_full", 507, "no space left on the device";
    TooManyRequests, "too_many_requests", 429, "a limit was reached; try again later";
    Unavailable, "unavailable", 503, "the server is stopping or its database does not answer";
    Internal, "internal", 500, "an error of the server itself; its log has the request id";
}

/// The body of every error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ErrorBody {
    pub code: ErrorCode,
    /// The object and the rule, in words.
    pub message: String,
    /// What to do about it.
    #[serde(default)]
    pub hints: Vec<String>,
    #[serde(default)]
    pub request_id: String,
    /// The server's time, with `host_clock_wrong` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_time: Option<jiff::Timestamp>,
}

impl ErrorBody {
    /// An error with its code and message, without hints.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hints: Vec::new(),
            request_id: String::new(),
            server_time: None,
        }
    }

    /// The same error with one more thing to do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back_as_themselves() {
        let mut seen = std::collections::BTreeSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.as_str()), "{} twice", code.as_str());
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{}\"", code.as_str()));
            assert_eq!(serde_json::from_str::<ErrorCode>(&json).unwrap(), *code);
            assert!((400..600).contains(&code.http_status()));
            assert!(!code.meaning().is_empty());
        }
    }

    #[test]
    fn a_code_of_a_newer_peer_reads_as_unknown() {
        let body: ErrorBody = serde_json::from_str(r#"{"code":"made_up_tomorrow","message":"m"}"#).unwrap();
        assert_eq!(body.code, ErrorCode::Unknown);
    }
}
