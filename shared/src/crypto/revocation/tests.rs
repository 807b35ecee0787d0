//! Lists made here, read again, and what they do to the certificates of a path.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::crypto::issue::{self, Purpose, Subject};
use crate::crypto::{PrivateKey, TrustError, TrustStore};

fn now() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().unwrap()
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

struct Person {
    key: PrivateKey,
    certificate: Certificate,
}

fn purpose(authority: bool) -> Purpose {
    Purpose {
        code_signing: true,
        client_auth: true,
        authority,
    }
}

fn subject(name: &str) -> Subject {
    Subject {
        common_name: name.to_owned(),
        ..Subject::default()
    }
}

fn root(name: &str, authority: bool) -> Person {
    let key = PrivateKey::generate_ec().unwrap();
    let (from, to) = (now() - DAY * 30, now() + DAY * 900);
    let certificate = issue::self_signed(&key, &subject(name), purpose(authority), from, to).unwrap();
    Person { key, certificate }
}

fn issued(by: &Person, name: &str, authority: bool) -> Person {
    let key = PrivateKey::generate_ec().unwrap();
    let spki = key.spki_der().unwrap();
    let (from, to) = (now() - DAY * 30, now() + DAY * 900);
    let (subject, purpose) = (subject(name), purpose(authority));
    let certificate = issue::issued_by(&by.certificate, &by.key, &spki, &subject, purpose, from, to).unwrap();
    Person { key, certificate }
}

fn list(by: &Person, revoked: &[&Person], number: u64) -> RevocationList {
    list_until(by, revoked, number, now() + DAY * 30)
}

fn list_until(by: &Person, revoked: &[&Person], number: u64, next: Timestamp) -> RevocationList {
    let entry = Revoked {
        at: now() - DAY,
        reason: Some(Reason::KeyCompromise),
    };
    let entries: Vec<_> = revoked
        .iter()
        .map(|person| (person.certificate.serial(), entry))
        .collect();
    let this = now() - DAY * 2;
    issue::revocation_list(&by.certificate, &by.key, &entries, number, this, next).unwrap()
}

fn trusting(people: &[&Person]) -> TrustStore {
    TrustStore::new(people.iter().map(|person| person.certificate.clone()).collect())
}

#[test]
fn a_list_says_what_was_put_into_it_in_der_and_pem() {
    let ca = root("ca", true);
    let (bob, eve) = (issued(&ca, "bob", false), issued(&ca, "eve", false));
    let made = list(&ca, &[&bob], 7);
    assert!(made.is_signed_by(&ca.certificate));
    assert_eq!((made.number(), made.len()), (Some(&[7][..]), 1));
    let entry = made.entry(bob.certificate.serial_bytes()).unwrap();
    assert_eq!(entry.reason, Some(Reason::KeyCompromise));
    assert_eq!(entry.at, now() - DAY);
    assert_eq!(made.entry(eve.certificate.serial_bytes()), None);

    let other = list(&eve, &[], 1);
    let pem = format!("about\n{}between\n{}", made.to_pem(), other.to_pem());
    let read = RevocationList::all_from_bytes(pem.as_bytes()).unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].der(), made.der());
    assert!(read[1].is_empty());
    assert!(matches!(
        RevocationList::all_from_bytes(b"-----BEGIN CERTIFICATE-----\n"),
        Err(CrlError::NotPem | CrlError::Empty)
    ));
}

#[test]
fn a_revoked_signer_is_refused_with_date_and_reason_and_the_others_are_not() {
    let ca = root("ca", true);
    let (bob, eve) = (issued(&ca, "bob", false), issued(&ca, "eve", false));
    let trust = trusting(&[&ca]);
    trust.check_signer(&bob.certificate, &[], now()).unwrap();
    let trust = trust.with_crls([list(&ca, &[&bob], 1)]);
    let error = trust.check_signer(&bob.certificate, &[], now()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate bob was revoked on 2026-02-28T10:00:00Z (keyCompromise)"
    );
    assert!(matches!(
        trust.check(&bob.certificate, &[], now()),
        Err(TrustError::Revoked { .. })
    ));
    trust.check_signer(&eve.certificate, &[], now()).unwrap();
}

#[test]
fn a_pinned_certificate_falls_by_the_list_of_its_ca_when_that_is_trusted_too() {
    let ca = root("ca", true);
    let bob = issued(&ca, "bob", false);
    let lists = [list(&ca, &[&bob], 1)];
    let both = trusting(&[&bob, &ca]).with_crls(lists.clone());
    assert!(matches!(
        both.check(&bob.certificate, &[], now()),
        Err(TrustError::Revoked { .. })
    ));
    // Whoever trusts bob alone has not trusted the CA with anything.
    let alone = trusting(&[&bob]).with_crls(lists);
    alone
        .check(&bob.certificate, std::slice::from_ref(&ca.certificate), now())
        .unwrap();
}

#[test]
fn a_self_signed_signer_takes_itself_back() {
    let alice = root("alice", false);
    let trust = trusting(&[&alice]);
    trust.check_signer(&alice.certificate, &[], now()).unwrap();
    let trust = trust.with_crls([list(&alice, &[&alice], 1)]);
    assert!(matches!(
        trust.check_signer(&alice.certificate, &[], now()),
        Err(TrustError::Revoked { .. })
    ));
    // The list is passed on all the same: that is what it is for.
    assert_eq!(trust.crls_in_force(&[], now()).len(), 1);
}

#[test]
fn a_stolen_self_signed_key_does_not_take_its_own_revocation_back() {
    let thief = root("thief", true);
    let bob = issued(&thief, "bob", false);
    let by_owner = list(&thief, &[&thief], 1);
    let by_thief = list(&thief, &[], 2);
    for order in [
        [by_owner.clone(), by_thief.clone()],
        [by_thief.clone(), by_owner.clone()],
    ] {
        let trust = trusting(&[&thief]).with_crls(order);
        for certificate in [&thief.certificate, &bob.certificate] {
            assert!(matches!(
                trust.check(certificate, &[], now()),
                Err(TrustError::Revoked { name, .. }) if name == "thief"
            ));
        }
        // Only the list that took it back is passed on.
        let in_force = trust.crls_in_force(&[], now());
        assert_eq!(in_force.len(), 1);
        assert_eq!(in_force[0].1.fingerprint(), by_owner.fingerprint());
    }
    assert_ne!(
        by_owner.series(&thief.certificate),
        by_thief.series(&thief.certificate)
    );
    // The same for a CA that another one took back: its key takes nobody back any more, and brings nobody back.
    let ca = root("ca", true);
    let middle = issued(&ca, "middle", true);
    let below = [middle.certificate.clone()];
    let trust = trusting(&[&ca]).with_crls([list(&ca, &[&middle], 1), list(&middle, &[], 2)]);
    let in_force = trust.crls_in_force(&below, now());
    assert_eq!(in_force.len(), 1);
    assert_eq!(in_force[0].0, ca.certificate);
}

/// The list as if it was about one part only, without a new signature: its key is asked no more.
fn part(list: &RevocationList, part: u8) -> RevocationList {
    let mut list = list.clone();
    list.part = vec![part];
    list.this_update += SignedDuration::from_secs(i64::from(part));
    list.fingerprint[0] = part;
    list
}

#[test]
fn one_key_that_publishes_a_thousand_lists_takes_nobody_elses_place() {
    let (loud, quiet) = (root("loud", true), root("quiet", true));
    let bob = issued(&quiet, "bob", false);
    let flood = list(&loud, &[], 1);
    let mut trust = trusting(&[&loud, &quiet]);
    for round in 0..5_u8 {
        trust.add_crls((0..250).map(|number| {
            let mut one = part(&flood, number);
            one.part.push(round);
            one.fingerprint[1] = round;
            one
        }));
    }
    trust.add_crls([list(&quiet, &[&bob], 1)]);
    let in_force = trust.crls_in_force(&[], now());
    let count = |issuer: &Person| {
        let of = in_force.iter().filter(|(one, _list)| *one == issuer.certificate);
        of.count()
    };
    assert_eq!((count(&loud), count(&quiet)), (MAX_PARTS, 1));
    assert!(trust.check(&bob.certificate, &[], now()).is_err());
    // Of one key the newest parts stay.
    assert!(
        in_force
            .iter()
            .all(|(_issuer, list)| list.part.first().is_none_or(|part| *part == 249))
    );
}

#[test]
fn a_thousand_certificates_and_lists_of_one_name_cost_few_signature_checks() {
    let ca = root("ca", true);
    let bob = issued(&ca, "bob", false);
    let strangers: Vec<Person> = (0..40).map(|_| root("ca", true)).collect();
    let mut certificates: Vec<Certificate> = Vec::new();
    for stranger in &strangers {
        certificates.extend((0..25).map(|_| stranger.certificate.clone()));
    }
    // Intermediates of the CA with one name and no key identifier that lists could name.
    let twins: Vec<Person> = (0..30).map(|_| issued(&ca, "twin", true)).collect();
    certificates.extend(twins.iter().map(|twin| twin.certificate.clone()));
    let mut trust = trusting(&[&ca]);
    let forged = [list(&strangers[0], &[&bob], 9), list(&root("twin", true), &[], 9)];
    let lists: Vec<RevocationList> = (0..1000_u32)
        .map(|number| {
            let mut one = forged[number as usize % 2].clone();
            one.authority_key_id = None;
            one.fingerprint[..4].copy_from_slice(&number.to_be_bytes());
            one
        })
        .collect();
    let mut issuers = Issuers::new(&trust, &certificates, now());
    assert!(!lists.iter().any(|list| issuers.have_signed(list)));
    assert!(trust.list_checks() <= 210, "{}", trust.list_checks());
    trust.add_crls(lists);
    trust.crls_in_force(&certificates, now());
    assert!(trust.list_checks() <= 420, "{}", trust.list_checks());
    // A true list that comes with few others counts all the same.
    let fresh = trusting(&[&ca]);
    let real = list(&ca, &[&bob], 1);
    let (read, errors) = fresh.read_crls([real.der(), b"damaged"], &certificates, now());
    assert_eq!((read.len(), errors.len()), (1, 1));
    assert_eq!(fresh.list_checks(), 1);
}

#[test]
fn seventy_anchors_that_issued_nothing_hide_no_issuer() {
    let others: Vec<Person> = (0..70)
        .map(|number| root(&format!("ca {number}"), true))
        .collect();
    let ca = root("ca", true);
    let middle = issued(&ca, "middle", true);
    let bob = issued(&middle, "bob", false);
    let mut people: Vec<&Person> = others.iter().collect();
    people.push(&ca);
    trusting(&people)
        .check(&bob.certificate, &[middle.certificate], now())
        .unwrap();
}

#[test]
fn lists_of_two_issuers_of_one_name_are_told_apart_by_the_key_that_signed_them() {
    let (one, other) = (root("ca", true), root("ca", true));
    let mut lists = [list(&one, &[], 1), list(&other, &[], 2)];
    for list in &mut lists {
        list.authority_key_id = None;
    }
    let in_force = trusting(&[&one, &other])
        .with_crls(lists)
        .crls_in_force(&[], now());
    let names: std::collections::BTreeSet<String> = in_force
        .iter()
        .map(|(issuer, list)| list.series(issuer))
        .collect();
    assert_eq!(names.len(), 2);
    let next = list(&one, &[&other], 3);
    assert!(names.contains(&next.series(&one.certificate)));
}

#[test]
fn a_revoked_intermediate_takes_all_below_with_it() {
    let ca = root("ca", true);
    let middle = issued(&ca, "middle", true);
    let bob = issued(&middle, "bob", false);
    let above = [middle.certificate.clone()];
    let trust = trusting(&[&ca]);
    trust.check(&bob.certificate, &above, now()).unwrap();
    let trust = trust.with_crls([list(&ca, &[&middle], 1)]);
    let error = trust.check(&bob.certificate, &above, now()).unwrap_err();
    assert!(matches!(error, TrustError::Revoked { name, .. } if name == "middle"));
    // The list of an intermediate counts as well.
    let trust = trusting(&[&ca]).with_crls([list(&middle, &[&bob], 1)]);
    let error = trust.check(&bob.certificate, &above, now()).unwrap_err();
    assert!(matches!(error, TrustError::Revoked { name, .. } if name == "bob"));
}

#[test]
fn a_forged_list_blocks_nobody_however_new_it_says_to_be() {
    let ca = root("ca", true);
    let (bob, eve) = (issued(&ca, "bob", false), issued(&ca, "eve", false));
    let mut forger = root("ca", true);
    // The forger even claims the real key's identifier.
    let mut forged = list(&forger, &[&bob, &eve], 99);
    forged.authority_key_id = ca.certificate.subject_key_id();
    let trust = trusting(&[&ca]).with_crls([forged.clone(), list(&ca, &[&eve], 1)]);
    trust.check(&bob.certificate, &[], now()).unwrap();
    assert!(trust.check(&eve.certificate, &[], now()).is_err());
    let in_force = trust.crls_in_force(&[], now());
    assert_eq!(in_force.len(), 1);
    assert_eq!(in_force[0].1.number(), Some(&[1][..]));
    // A byte changed in a true list makes it a forged one.
    let mut changed = list(&ca, &[&bob], 5).der().to_vec();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    if let Ok(changed) = RevocationList::from_der(&changed) {
        let trust = trusting(&[&ca]).with_crls([changed]);
        trust.check(&bob.certificate, &[], now()).unwrap();
    }
    // A leaf issues nothing, so its list is about nobody else.
    forger.certificate = bob.certificate.clone();
    let trust = trusting(&[&ca]).with_crls([list(&bob, &[&eve], 9)]);
    trust.check(&eve.certificate, &[], now()).unwrap();
}

#[test]
fn the_newest_list_of_an_issuer_counts_in_whatever_order_they_come() {
    let ca = root("ca", true);
    let bob = issued(&ca, "bob", false);
    let (old, new) = (list(&ca, &[], 255), list(&ca, &[&bob], 256));
    for order in [[old.clone(), new.clone()], [new.clone(), old.clone()]] {
        let trust = trusting(&[&ca]).with_crls(order);
        assert!(trust.check(&bob.certificate, &[], now()).is_err());
        let in_force = trust.crls_in_force(&[], now());
        assert_eq!(in_force.len(), 1);
        assert_eq!(in_force[0].1.der(), new.der());
    }
}

#[test]
fn a_known_list_that_ended_refuses_and_no_list_accepts() {
    let ca = root("ca", true);
    let bob = issued(&ca, "bob", false);
    let ended = list_until(&ca, &[], 1, now() - DAY);
    let trust = trusting(&[&ca]).with_crls([ended]);
    let error = trust.check(&bob.certificate, &[], now()).unwrap_err();
    assert!(matches!(error, TrustError::CrlExpired { .. }), "{error}");
    trust.check(&bob.certificate, &[], now() - DAY * 2).unwrap();
    // A newer one heals it; one that ended and takes back says the worse thing.
    let healed = trust.clone().with_crls([list(&ca, &[], 2)]);
    healed.check(&bob.certificate, &[], now()).unwrap();
    let worse = trust.with_crls([list_until(&ca, &[&bob], 3, now() - DAY)]);
    assert!(matches!(
        worse.check(&bob.certificate, &[], now()),
        Err(TrustError::Revoked { .. })
    ));
}

#[test]
fn a_folder_brings_lists_in_both_forms_and_one_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let ca = root("ca", true);
    let (bob, eve) = (issued(&ca, "bob", false), issued(&ca, "eve", false));
    fs_err::write(dir.path().join("ca.crt"), ca.certificate.to_pem()).unwrap();
    fs_err::write(dir.path().join("old.crl"), list(&ca, &[&eve], 1).der()).unwrap();
    fs_err::write(dir.path().join("new.crl"), list(&ca, &[&bob, &eve], 2).to_pem()).unwrap();
    let trust = TrustStore::from_folder(dir.path()).unwrap();
    assert_eq!((trust.anchors().len(), trust.crls().count()), (1, 2));
    assert!(trust.check(&bob.certificate, &[], now()).is_err());
    fs_err::write(dir.path().join("bad.crl"), "nothing").unwrap();
    let error = TrustStore::from_folder(dir.path()).unwrap_err();
    assert!(error.to_string().contains("bad.crl"), "{error}");
}

#[test]
fn what_is_not_a_whole_list_is_refused_with_the_reason() {
    let extension = |oid: &str, critical, der: &[u8]| Extension {
        extn_id: spki::ObjectIdentifier::new_unwrap(oid),
        critical,
        extn_value: der::asn1::OctetString::new(der).unwrap(),
    };
    let judge = |one: Extension| Facts::of(&[one]).map(|facts| facts.scope);
    let number = [2, 1, 1];
    assert!(matches!(
        judge(extension("2.5.29.27", true, &number)),
        Err(CrlError::Delta)
    ));
    assert!(matches!(
        judge(extension("1.2.3", true, &number)),
        Err(CrlError::Critical { oid }) if oid == "1.2.3"
    ));
    assert_eq!(judge(extension("1.2.3", false, &number)).unwrap(), Scope::All);
    // IssuingDistributionPoint: [4] indirectCRL, [3] onlySomeReasons, [5] attribute certificates, [1] leaves only.
    let point = |der: &[u8]| judge(extension("2.5.29.28", true, der));
    let indirect = point(&[0x30, 3, 0x84, 1, 0xff]);
    assert!(matches!(indirect, Err(CrlError::Indirect)), "{indirect:?}");
    assert!(matches!(
        point(&[0x30, 4, 0x83, 2, 6, 0x40]),
        Err(CrlError::Partial)
    ));
    assert!(matches!(point(&[0x30, 3, 0x85, 1, 0xff]), Err(CrlError::Partial)));
    assert_eq!(point(&[0x30, 3, 0x81, 1, 0xff]).unwrap(), Scope::Leaves);
}

#[test]
fn a_renewed_certificate_keeps_key_subject_and_purposes_and_outlives_the_old_ones_revocation() {
    let ca = root("ca", true);
    let bob = issued(&ca, "bob", false);
    let (from, to) = (now(), now() + DAY * 400);
    let new = issue::renewed(&bob.certificate, Some(&ca.certificate), &ca.key, from, to).unwrap();
    assert_eq!(new.spki_der(), bob.certificate.spki_der());
    assert_eq!(new.subject(), bob.certificate.subject());
    assert_eq!(new.extended_key_usage(), bob.certificate.extended_key_usage());
    assert_ne!(new.serial(), bob.certificate.serial());
    assert_eq!((new.not_before(), new.not_after()), (from, to));
    let trust = trusting(&[&ca]).with_crls([list(&ca, &[&bob], 1)]);
    trust.check_signer(&new, &[], now()).unwrap();
    let again = issue::renewed(&ca.certificate, None, &ca.key, from, to).unwrap();
    assert!(again.is_issued_by(&again) && again.is_ca());
    trusting(&[])
        .check(&bob.certificate, std::slice::from_ref(&again), now())
        .unwrap_err();
    TrustStore::new(vec![again])
        .check(&bob.certificate, &[], now())
        .unwrap();
    assert!(issue::renewed(&bob.certificate, None, &ca.key, from, to).is_err());
}

#[test]
fn a_list_of_a_hundred_thousand_is_read_and_one_more_is_not() {
    let entry = |serial: u32| {
        let mut der = vec![0x30, 0x15, 0x02, 0x04];
        der.extend((serial | 0x4000_0000).to_be_bytes());
        der.extend(b"\x17\x0d260101000000Z");
        der
    };
    let all = |count: u32| {
        let body: Vec<u8> = (0..count).flat_map(entry).collect();
        let mut der = vec![0x30, 0x83];
        der.extend(&(body.len() as u32).to_be_bytes()[1..]);
        der.extend(body);
        entries(&der)
    };
    assert_eq!(all(100_000).unwrap().len(), 100_000);
    assert!(matches!(all(100_001), Err(CrlError::TooManyEntries)));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        RevocationList::all_from_bytes(&bytes).ok();
    }

    #[test]
    fn a_list_with_changed_bytes_is_refused_or_its_signature_is(place in 0_usize..2000, value in 1_u8..) {
        use std::sync::OnceLock;
        static MADE: OnceLock<(Person, Vec<u8>)> = OnceLock::new();
        let (ca, der) = MADE.get_or_init(|| {
            let ca = root("ca", true);
            let bob = issued(&ca, "bob", false);
            let der = list(&ca, &[&bob], 3).der().to_vec();
            (ca, der)
        });
        let mut changed = der.clone();
        let place = place % changed.len();
        changed[place] ^= value;
        if let Ok(list) = RevocationList::from_der(&changed) {
            prop_assert!(!list.is_signed_by(&ca.certificate));
        }
    }
}
