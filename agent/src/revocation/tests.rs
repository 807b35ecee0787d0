//! Which lists are kept, how many, and what the web is asked.

use std::process::Command;
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use muster_shared::clock::FixedClock;
use muster_shared::crypto::PrivateKey;
use muster_shared::crypto::issue::{self, Purpose, Subject};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::config::Config;

fn now() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().unwrap()
}

fn subject(name: &str) -> Subject {
    Subject {
        common_name: name.to_owned(),
        ..Subject::default()
    }
}

fn purpose() -> Purpose {
    Purpose {
        code_signing: true,
        client_auth: true,
        authority: true,
    }
}

fn authority(name: &str) -> (PrivateKey, Certificate) {
    let key = PrivateKey::generate_ec().unwrap();
    let day = SignedDuration::from_hours(24);
    let made = issue::self_signed(&key, &subject(name), purpose(), now() - day, now() + day).unwrap();
    (key, made)
}

fn list((key, certificate): &(PrivateKey, Certificate), number: u64) -> RevocationList {
    let next = now() + SignedDuration::from_hours(10);
    issue::revocation_list(certificate, key, &[], number, now(), next).unwrap()
}

#[test]
fn only_validly_signed_lists_are_kept_and_an_older_one_never_replaces_a_newer() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::new(Some(root.path()));
    let (ca, stranger) = (authority("ca"), authority("stranger"));
    fs_err::create_dir_all(paths.trust_dir()).unwrap();
    fs_err::write(paths.trust_dir().join("ca.crt"), ca.1.to_pem()).unwrap();
    let take = |lists| {
        let trust = trust_store(&paths).unwrap();
        keep(&paths.crl_dir(), &trust, lists, &[], now()).unwrap();
        let store = trust_store(&paths).unwrap();
        store
            .crls()
            .map(|list| list.number().unwrap().to_vec())
            .collect::<Vec<_>>()
    };
    assert_eq!(take(vec![list(&ca, 5), list(&stranger, 9)]), [[5]]);
    assert_eq!(take(vec![list(&ca, 4)]), [[5]]);
    assert_eq!(take(vec![list(&ca, 6)]), [[6]]);
    // A stolen key does not take its own revocation back, and nothing takes the place of that list.
    let entry = muster_shared::crypto::revocation::Revoked {
        at: now(),
        reason: None,
    };
    let taken_back = |number| {
        let next = now() + SignedDuration::from_hours(10);
        let entries = [(ca.1.serial(), entry)];
        issue::revocation_list(&ca.1, &ca.0, &entries, number, now(), next).unwrap()
    };
    let held = |lists: Vec<Vec<u8>>| lists.into_iter().map(|number| number[0]).max();
    assert_eq!(held(take(vec![taken_back(7)])), Some(7));
    assert_eq!(held(take(vec![list(&ca, 8)])), Some(7));
    assert_eq!(held(take(vec![taken_back(9)])), Some(7));
    let refused = trust_store(&paths).unwrap().check(&ca.1, &[], now()).unwrap_err();
    assert!(refused.to_string().contains("was revoked on"), "{refused}");
    // A damaged file is no reason to forget who was taken back.
    let file = files(&paths.crl_dir()).unwrap().remove(0);
    fs_err::write(&file, "damaged").unwrap();
    let error = trust_store(&paths).unwrap_err();
    assert!(unusable(&error).in_one_line().contains("muster-agent update"));
    // It stays until a list of the same series takes its place.
    let (trust, damaged) = readable(&paths, std::iter::empty()).unwrap();
    assert_eq!(damaged, std::slice::from_ref(&file));
    keep(&paths.crl_dir(), &trust, vec![list(&stranger, 9)], &[], now()).unwrap();
    assert_eq!(fs_err::read_to_string(&file).unwrap(), "damaged");
}

/// The numbers of the kept lists, by age.
fn kept_numbers(folder: &Path) -> Vec<u8> {
    let files = files(folder).unwrap();
    let lists = files
        .iter()
        .flat_map(|file| RevocationList::all_from_file(file).unwrap());
    let mut numbers: Vec<u8> = lists.map(|list| list.number().unwrap()[0]).collect();
    numbers.sort_unstable();
    numbers
}

/// A list of openssl about one part of the certificates of a CA, made in the second of its number.
fn part((key, certificate): &(PrivateKey, Certificate), number: u8) -> RevocationList {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs_err::write(folder.path().join(name), text).unwrap();
    write("ca.crt", &certificate.to_pem());
    write("ca.pem", &key.to_pem(None).unwrap());
    write("index.txt", "");
    write("crlnumber", &format!("{number:02x}\n"));
    let config = format!(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ncrl_extensions=e\n\
         [e]\nauthorityKeyIdentifier=keyid\nissuingDistributionPoint=critical,@part\n\
         [part]\nfullname=URI:http://example.org/{number}.crl\n"
    );
    write("ca.cnf", &config);
    let (made, ends) = (format!("202603010959{number:02}Z"), "20260302000000Z");
    let words = [
        "ca -gencrl -config ca.cnf -cert ca.crt -keyfile ca.pem -out ca.crl -crl_lastupdate",
        &made,
        "-crl_nextupdate",
        ends,
    ];
    let done = Command::new("openssl")
        .args(words.join(" ").split(' '))
        .current_dir(folder.path())
        .output()
        .expect("openssl is installed: make setup");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    RevocationList::all_from_file(&folder.path().join("ca.crl"))
        .unwrap()
        .remove(0)
}

#[test]
fn of_one_key_the_newest_parts_are_kept_and_other_issuers_lose_nothing() {
    // openssl makes the lists, and no Windows machine has it.
    if crate::platform::PLATFORM == "windows" {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (loud, quiet) = (authority("loud"), authority("quiet"));
    let keep = |lists| {
        let mut trust = TrustStore::new(vec![loud.1.clone(), quiet.1.clone()]);
        for file in files(folder.path()).unwrap() {
            trust.add_crls(RevocationList::all_from_file(&file).unwrap());
        }
        keep(folder.path(), &trust, lists, &[], now()).unwrap();
        kept_numbers(folder.path())
    };
    let first: Vec<RevocationList> = (1..=4).map(|number| part(&loud, number)).collect();
    assert_eq!(keep([first, vec![list(&quiet, 50)]].concat()), [1, 2, 3, 4, 50]);
    // Newer parts push the oldest out; nothing brings those back.
    assert_eq!(keep(vec![part(&loud, 5), part(&loud, 6)]), [3, 4, 5, 6, 50]);
    assert_eq!(keep(vec![part(&loud, 1)]), [3, 4, 5, 6, 50]);
}

#[test]
fn a_full_folder_takes_no_more_lists_but_those_of_anchors_and_newer_ones_of_kept_series() {
    let ca = authority("ca");
    let below = |name: &str| {
        let key = PrivateKey::generate_ec().unwrap();
        let (subject, purpose) = (subject(name), purpose());
        let (spki, day) = (key.spki_der().unwrap(), SignedDuration::from_hours(24));
        let (from, to) = (now() - day, now() + day);
        let made = issue::issued_by(&ca.1, &ca.0, &spki, &subject, purpose, from, to).unwrap();
        (key, made)
    };
    let (known, new) = (below("known"), below("new"));
    let intermediates = [known.1.clone(), new.1.clone()];
    let trust = TrustStore::new(vec![ca.1.clone()]);
    let keep = |folder: &Path, lists| keep(folder, &trust, lists, &intermediates, now()).unwrap();
    let has = |folder: &Path, list: &RevocationList, issuer: &Certificate| {
        let file = folder.join(format!("{}.crl", list.series(issuer)));
        fs_err::read(file).is_ok_and(|bytes| bytes == list.der())
    };
    let by_count: fn(&Path) = |folder| {
        for number in 0..MAX_KEPT {
            fs_err::write(folder.join(format!("other-{number}.crl")), "").unwrap();
        }
    };
    let by_size: fn(&Path) = |folder| {
        let file = fs_err::File::create(folder.join("other-0.crl")).unwrap();
        file.set_len(MAX_KEPT_BYTES).unwrap();
    };
    let lists = [list(&known, 1), list(&known, 2), list(&new, 1), list(&ca, 1)];
    let [known_1, known_2, new_1, ca_1] = &lists;
    for fill in [by_count, by_size] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        keep(folder, vec![known_1.clone()]);
        assert!(has(folder, known_1, &known.1));
        fill(folder);
        keep(folder, vec![known_2.clone(), new_1.clone(), ca_1.clone()]);
        assert!(has(folder, known_2, &known.1));
        assert!(has(folder, ca_1, &ca.1));
        assert!(!has(folder, new_1, &new.1));
    }
}

/// What a web server has: an `ETag`, and the list behind it.
type Published = (&'static str, Vec<u8>);

/// A web server with one list, or without any; it notes the condition of each request.
struct Web {
    url: String,
    now: Arc<Mutex<Option<Published>>>,
    asked: Arc<Mutex<Vec<Option<String>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Web {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ca.crl", listener.local_addr().unwrap());
        let (now, asked) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(Vec::new())));
        let (answer, notes) = (Arc::clone(&now), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _peer)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap() > 0 {}
                let head = String::from_utf8(head).unwrap();
                let condition = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("if-none-match")
                        .then(|| value.to_owned())
                });
                notes.lock().unwrap().push(condition.clone());
                let answer: Option<Published> = answer.lock().unwrap().clone();
                let (status, tag, body) = match answer {
                    None => ("500 Broken", "", Vec::new()),
                    Some((tag, _body)) if condition.as_deref() == Some(tag) => {
                        ("304 Not Modified", tag, Vec::new())
                    }
                    Some((tag, body)) => ("200 OK", tag, body),
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\nETag: {tag}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(&body).await.unwrap();
                stream.shutdown().await.ok();
            }
        });
        Self {
            url,
            now,
            asked,
            task,
        }
    }

    fn publish(&self, tag: &'static str, list: &RevocationList) {
        *self.now.lock().unwrap() = Some((tag, list.der().to_vec()));
    }

    /// One fetch of the agent; the conditions of the requests that it took.
    async fn fetch(&self, agent: &Agent) -> Vec<Option<String>> {
        fetch(agent).await.unwrap();
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

async fn agent_with(url: &str, root: &Path) -> Agent {
    let config = format!("crl_urls = [\"{url}\"]");
    let config = Config::parse(&config, Path::new("agent.toml")).unwrap();
    let paths = Paths::new(Some(root));
    fs_err::create_dir_all(paths.trust_dir()).unwrap();
    Agent::open(paths, config, Arc::new(FixedClock(now())))
        .await
        .unwrap()
}

fn unconditional() -> Vec<Option<String>> {
    vec![None]
}

fn if_not(tag: &str) -> Vec<Option<String>> {
    vec![Some(tag.to_owned())]
}

#[tokio::test]
async fn a_list_that_did_not_change_is_not_sent_again_and_one_that_went_away_here_is() {
    let (root, web, ca) = (tempfile::tempdir().unwrap(), Web::start().await, authority("ca"));
    let mut agent = agent_with(&web.url, root.path()).await;
    fs_err::write(agent.paths.trust_dir().join("ca.crt"), ca.1.to_pem()).unwrap();
    let folder = agent.paths.crl_dir();

    web.publish("\"1\"", &list(&ca, 1));
    assert_eq!(web.fetch(&agent).await, unconditional());
    assert_eq!(web.fetch(&agent).await, if_not("\"1\""));
    assert_eq!(kept_numbers(&folder), [1]);
    web.publish("\"2\"", &list(&ca, 2));
    assert_eq!(web.fetch(&agent).await, if_not("\"1\""));
    assert_eq!(kept_numbers(&folder), [2]);

    // What was known outlives a failure, after which the address rests for an hour.
    *web.now.lock().unwrap() = None;
    assert_eq!(web.fetch(&agent).await, if_not("\"2\""));
    web.publish("\"2\"", &list(&ca, 2));
    assert_eq!(web.fetch(&agent).await, []);
    agent.clock = Arc::new(FixedClock(now() + SignedDuration::from_hours(1)));
    assert_eq!(web.fetch(&agent).await, if_not("\"2\""));

    fs_err::remove_file(files(&folder).unwrap().remove(0)).unwrap();
    assert_eq!(web.fetch(&agent).await, unconditional());
    assert_eq!(kept_numbers(&folder), [2]);
    agent.close().await;
}

#[tokio::test]
async fn a_list_that_does_not_count_yet_is_fetched_whole_until_it_does() {
    let (root, web, ca) = (tempfile::tempdir().unwrap(), Web::start().await, authority("ca"));
    let agent = agent_with(&web.url, root.path()).await;
    web.publish("\"1\"", &list(&ca, 1));
    for _again in 0..2 {
        assert_eq!(web.fetch(&agent).await, unconditional());
        assert!(files(&agent.paths.crl_dir()).unwrap().is_empty());
    }
    fs_err::write(agent.paths.trust_dir().join("ca.crt"), ca.1.to_pem()).unwrap();
    assert_eq!(web.fetch(&agent).await, unconditional());
    assert_eq!(kept_numbers(&agent.paths.crl_dir()), [1]);
    assert_eq!(web.fetch(&agent).await, if_not("\"1\""));
    agent.close().await;
}
