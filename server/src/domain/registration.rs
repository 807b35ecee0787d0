//! What becomes of a registration: a pure decision over what is on record and what was proved.
//!
//! Parties: a *machine* that holds an identity key and claims an identifier; the *administrator*, through an
//! enrolment token, a user's credentials or a decision on the host's page; the *host CA*, whose certificate
//! says that a server accepted this very key before. That the machine holds the key is checked before this.
//!
//! One newcomer waits at a time: while it does, another key may not take its place, or whoever holds a token
//! could put a key of their own under the administrator's decision. After [`WAITS_FOR`] it may, so that a
//! newcomer that nobody decides on does not keep the identifier for ever.

use jiff::SignedDuration;

/// How long a newcomer keeps others from waiting.
pub const WAITS_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How the machine proves that the organisation expects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// An enrolment token for any unknown identifier.
    Token { id: String },
    /// An enrolment token made for this very identifier.
    TokenForIdentifier { id: String },
    /// Credentials of a user who may enrol.
    User { name: String },
    /// A certificate of the host CA for this key and this identifier.
    Certificate,
    /// Nothing; this server takes everybody.
    Open,
    /// Nothing.
    None,
}

impl Proof {
    /// The word in the host's row.
    pub fn word(&self) -> String {
        match self {
            Self::Token { .. } | Self::TokenForIdentifier { .. } => "token".to_owned(),
            Self::User { name } => format!("user:{name}"),
            Self::Certificate => "certificate".to_owned(),
            Self::Open => "open".to_owned(),
            Self::None => "key".to_owned(),
        }
    }

    /// The token to use up when the registration changes something.
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Token { id } | Self::TokenForIdentifier { id } => Some(id),
            Self::User { .. } | Self::Certificate | Self::Open | Self::None => None,
        }
    }
}

/// What the database knows about the identifier and the key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnRecord {
    /// A host with this identifier is registered.
    pub identifier_known: bool,
    /// It is registered with this very key.
    pub same_key: bool,
    /// This key waits for a decision on this identifier.
    pub same_key_pending: bool,
    /// Another key waits for a decision on this identifier, for less than [`WAITS_FOR`].
    pub other_key_pending: bool,
    /// An administrator refused this key for this identifier.
    pub key_refused: bool,
    /// This key belongs to a host with another identifier.
    pub key_of_another: bool,
    /// This key waits for a decision on another identifier.
    pub key_waits_elsewhere: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A new host.
    Insert,
    /// The same machine again: answer it, change nothing but the time.
    Confirm,
    /// The machine was reinstalled and a token for it says so: its new key replaces the old one.
    Replace,
    /// Known identifier, new key: an administrator decides.
    Wait,
    /// No proof that this server accepts.
    RefuseUnproved,
    /// Another newcomer waits for a decision on this identifier.
    RefuseWhileAnotherWaits,
    /// An administrator said no.
    AlreadyRefused,
    /// The key is another host's.
    RefuseKeyOfAnother,
}

/// Decides (protocol.md §1).
pub fn decide(record: OnRecord, proof: &Proof) -> Decision {
    if record.same_key {
        return Decision::Confirm;
    }
    // One that waits for another identifier may still take one that is free: two machines had one firmware UUID.
    if record.key_of_another || (record.key_waits_elsewhere && record.identifier_known) {
        return Decision::RefuseKeyOfAnother;
    }
    if !record.identifier_known {
        return if *proof == Proof::None {
            Decision::RefuseUnproved
        } else {
            Decision::Insert
        };
    }
    if matches!(proof, Proof::TokenForIdentifier { .. }) {
        return Decision::Replace;
    }
    if record.key_refused {
        return Decision::AlreadyRefused;
    }
    // A machine that waits asks again without a token: it may have been used up by then.
    if *proof == Proof::None && !record.same_key_pending {
        return Decision::RefuseUnproved;
    }
    if record.other_key_pending {
        return Decision::RefuseWhileAnotherWaits;
    }
    // A certificate does not decide here: it may be from before an administrator replaced that key.
    Decision::Wait
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: OnRecord = OnRecord {
        identifier_known: false,
        same_key: false,
        same_key_pending: false,
        other_key_pending: false,
        key_refused: false,
        key_of_another: false,
        key_waits_elsewhere: false,
    };
    const OTHER_KEY: OnRecord = OnRecord {
        identifier_known: true,
        ..UNKNOWN
    };

    fn proofs() -> [Proof; 6] {
        [
            Proof::Token { id: "t".into() },
            Proof::TokenForIdentifier { id: "t".into() },
            Proof::User { name: "u".into() },
            Proof::Certificate,
            Proof::Open,
            Proof::None,
        ]
    }

    #[test]
    fn every_proof_enrols_an_unknown_identifier_and_no_proof_does_not() {
        for proof in proofs() {
            let expected = if proof == Proof::None {
                Decision::RefuseUnproved
            } else {
                Decision::Insert
            };
            assert_eq!(decide(UNKNOWN, &proof), expected, "{proof:?}");
        }
    }

    #[test]
    fn the_key_on_record_is_always_confirmed() {
        for proof in proofs() {
            let record = OnRecord {
                identifier_known: true,
                same_key: true,
                ..UNKNOWN
            };
            assert_eq!(decide(record, &proof), Decision::Confirm, "{proof:?}");
        }
    }

    #[test]
    fn a_new_key_for_a_known_identifier_waits_unless_a_token_was_made_for_it() {
        for proof in proofs() {
            let expected = match proof {
                Proof::TokenForIdentifier { .. } => Decision::Replace,
                Proof::None => Decision::RefuseUnproved,
                Proof::Token { .. } | Proof::User { .. } | Proof::Certificate | Proof::Open => Decision::Wait,
            };
            assert_eq!(decide(OTHER_KEY, &proof), expected, "{proof:?}");
        }
    }

    #[test]
    fn a_machine_that_waits_may_ask_again_without_a_proof() {
        let waiting = OnRecord {
            same_key_pending: true,
            ..OTHER_KEY
        };
        assert_eq!(decide(waiting, &Proof::None), Decision::Wait);
    }

    #[test]
    fn nobody_takes_the_place_of_one_who_waits_but_the_bearer_of_a_token_for_the_identifier() {
        let taken = OnRecord {
            other_key_pending: true,
            ..OTHER_KEY
        };
        for proof in proofs() {
            let expected = match proof {
                Proof::TokenForIdentifier { .. } => Decision::Replace,
                Proof::None => Decision::RefuseUnproved,
                Proof::Token { .. } | Proof::User { .. } | Proof::Certificate | Proof::Open => {
                    Decision::RefuseWhileAnotherWaits
                }
            };
            assert_eq!(decide(taken, &proof), expected, "{proof:?}");
        }
    }

    #[test]
    fn a_refused_key_stays_refused_until_a_token_for_the_identifier_says_otherwise() {
        let refused = OnRecord {
            key_refused: true,
            ..OTHER_KEY
        };
        assert_eq!(
            decide(refused, &Proof::Token { id: "t".into() }),
            Decision::AlreadyRefused
        );
        assert_eq!(
            decide(refused, &Proof::TokenForIdentifier { id: "t".into() }),
            Decision::Replace
        );
    }

    #[test]
    fn a_key_that_waits_may_take_an_identifier_that_is_free_and_no_other() {
        let free = OnRecord {
            key_waits_elsewhere: true,
            ..UNKNOWN
        };
        assert_eq!(decide(free, &Proof::Token { id: "t".into() }), Decision::Insert);
        assert_eq!(decide(free, &Proof::None), Decision::RefuseUnproved);
        let taken = OnRecord {
            identifier_known: true,
            ..free
        };
        for proof in proofs() {
            assert_eq!(decide(taken, &proof), Decision::RefuseKeyOfAnother, "{proof:?}");
        }
    }

    #[test]
    fn a_key_belongs_to_one_host() {
        let record = OnRecord {
            key_of_another: true,
            ..UNKNOWN
        };
        for proof in proofs() {
            assert_eq!(decide(record, &proof), Decision::RefuseKeyOfAnother, "{proof:?}");
        }
    }
}
