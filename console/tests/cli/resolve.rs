//! What a host would do and why, from a folder of packages really built, signed and indexed.

use serde_json::Value;

use crate::support::Place;

/// A repository with two versions of `lib`, an `app` that needs it, a `rival` that needs it otherwise, one for
/// another system, and one that nobody trusts; with an index when asked.
fn repository(is_indexed: bool) -> Place {
    let place = Place::new().with_key();
    place.ok(&["key", "create", "mallory", "--type", "ec", "--no-password"]);
    for (name, version, more, signer) in [
        ("lib", "1.5-1", "", "alice"),
        ("lib", "2.0-1", "", "alice"),
        ("app", "1.0-1", "depends : lib(>=1.2)\n", "alice"),
        ("rival", "1.0-1", "depends : lib(<2)\n", "alice"),
        ("modern", "1.0-1", "depends : lib(>=2)\n", "alice"),
        ("mac", "1.0-1", "target_os : darwin\n", "alice"),
        ("fake", "1.0-1", "", "mallory"),
        ("new", "1.0-1", "conflicts : lib\n", "alice"),
        ("wrong", "1.0-1", "depends : ghost\n", "alice"),
    ] {
        let control = format!(
            "package : {name}\nversion : {version}\narchitecture : all\nsection : group\npriority : optional\n\
             maintainer : test\ndescription : {name}\n{more}"
        );
        place.write("src/WAPT/control", control);
        let crt = format!("{signer}.crt");
        let pem = format!("{signer}.pem");
        place.ok(&[
            "package", "build", "src", "--out", "repo", "--cert", &crt, "--key", &pem,
        ]);
    }
    place.write("trust/alice.crt", place.read("alice.crt"));
    place.write(
        "host.json",
        r#"{"os":"windows","os_version":"10.0.19045","architecture":"x64","tail":1}"#,
    );
    if is_indexed {
        place.ok(&["repo", "index", "repo"]);
    }
    place
}

const HOST: [&str; 6] = [
    "--repo",
    "repo",
    "--trust",
    "trust",
    "--capabilities",
    "host.json",
];

fn resolve(place: &Place, words: &[&str]) -> (String, Value) {
    let mut command = vec!["resolve"];
    command.extend(HOST);
    command.extend(words);
    command.push("--json");
    let text = place.muster(&command);
    let (exit, rest) = text
        .split_once("\n--- stdout\n")
        .unwrap_or_else(|| panic!("{text}"));
    let json = rest.split("--- stderr\n").next().unwrap();
    (
        exit.to_owned(),
        serde_json::from_str(json).unwrap_or_else(|_| panic!("{text}")),
    )
}

fn actions(answer: &Value) -> Vec<String> {
    let actions = answer["actions"].as_array().unwrap().iter();
    actions
        .map(|action| {
            let field = |name: &str| action[name].as_str().unwrap().to_owned();
            format!("{} {} {}", field("action"), field("package"), field("version"))
        })
        .collect()
}

#[test]
fn a_plan_is_the_same_with_and_without_an_index() {
    for is_indexed in [true, false] {
        let place = repository(is_indexed);
        let (exit, answer) = resolve(&place, &["--want", "app"]);
        assert_eq!(exit, "exit code 0");
        assert_eq!(actions(&answer), ["install lib 2.0-1", "install app 1.0-1"]);
        assert_eq!(answer["actions"][0]["reason"], "needed by app (lib(>=1.2))");
        assert!(
            answer["actions"][0]["filename"]
                .as_str()
                .unwrap()
                .contains(".wapt")
        );
        assert_eq!(answer["refused"][0]["package"], "fake");
        assert!(!answer["refused"][0]["reason"].as_str().unwrap().is_empty());
    }
}

#[test]
fn pins_conflicts_and_errors_are_answered() {
    let place = repository(true);
    let (exit, answer) = resolve(&place, &["--want", "app,rival"]);
    assert_eq!(exit, "exit code 0");
    assert_eq!(
        actions(&answer),
        ["install lib 1.5-1", "install app 1.0-1", "install rival 1.0-1"]
    );

    let (exit, answer) = resolve(&place, &["--want", "rival,modern,app"]);
    assert_eq!(exit, "exit code 1");
    assert!(actions(&answer).is_empty(), "{answer}");
    let lib = &answer["errors"][0];
    assert_eq!(lib["package"], "lib");
    let requests: Vec<&str> = lib["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect();
    assert_eq!(requests, ["lib(<2)", "lib(>=2)", "lib(>=1.2)"]);
    let reason = lib["reason"].as_str().unwrap();
    assert!(
        reason.contains("lib(<2) by rival, lib(>=2) by modern"),
        "{reason}"
    );

    let (_, answer) = resolve(&place, &["--want", "rival", "--installed", "lib(=2.0-1)"]);
    assert_eq!(actions(&answer), ["downgrade lib 1.5-1", "install rival 1.0-1"]);

    let (_, answer) = resolve(&place, &["--want", "app", "--installed", "lib(=1.5-1)"]);
    assert_eq!(actions(&answer), ["install app 1.0-1"]);
    assert_eq!(answer["kept"][0]["package"], "lib");

    let (_, answer) = resolve(
        &place,
        &["--want", "new", "--installed", "lib(=1.5-1),app(=1.0-1)"],
    );
    assert_eq!(
        actions(&answer),
        ["remove app 1.0-1", "remove lib 1.5-1", "install new 1.0-1"]
    );

    let (_, answer) = resolve(&place, &["--upgrade", "--installed", "lib(=1.0),rival(=1.0-1)"]);
    assert_eq!(actions(&answer), ["upgrade lib 1.5-1"]);
}

#[test]
fn text_names_what_is_unknown_and_what_is_missing() {
    let place = repository(true);
    let mut command = vec!["resolve"];
    command.extend(HOST);
    command.extend(["--want", "wrong,mac"]);
    let text = place.muster(&command);
    assert!(text.starts_with("exit code 1"), "{text}");
    assert!(
        text.contains(r#""tail" in host.json means nothing here"#),
        "{text}"
    );
    assert!(
        text.contains("ghost is needed: ghost by wrong; the repository has no package of that name"),
        "{text}"
    );
    assert!(
        text.contains(r#"its target_os is "darwin" and the host has "windows""#),
        "{text}"
    );
    command.extend(["--installed", "lib (=1)"]);
    assert!(place.muster(&command).starts_with("exit code 2"));
}

#[test]
fn explain_says_what_is_offered_what_is_not_and_what_follows() {
    let place = repository(true);
    let mut command = vec!["explain", "lib"];
    command.extend(HOST);
    command.extend(["--want", "rival"]);
    let text = place.muster(&command);
    for sentence in [
        "lib 2.0-1 is offered, the best that this host takes",
        "lib 1.5-1 is to be installed: needed by rival (lib(<2))",
    ] {
        assert!(text.contains(sentence), "{text}");
    }
    command[1] = "fake";
    let text = place.ok(&command);
    assert!(
        text.contains("fake 1.0-1 (") && !text.contains("no package of that name"),
        "{text}"
    );
}

#[test]
fn a_package_refused_for_its_signature_is_not_called_missing() {
    let place = repository(true);
    let (exit, answer) = resolve(&place, &["--want", "fake"]);
    assert_eq!(exit, "exit code 1");
    let reason = answer["errors"][0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("the host takes none of its versions: 1.0-1 ("),
        "{reason}"
    );
}

#[test]
fn names_and_versions_are_asked_for_in_their_right_form() {
    let place = repository(true);
    let explain = |package: &str, more: &[&str]| {
        let mut command = vec!["explain", package];
        command.extend(HOST);
        command.extend(more);
        place.muster(&command)
    };
    let text = explain("lib(=1)", &[]);
    assert!(
        text.starts_with("exit code 2") && text.contains("give a name without a condition: lib"),
        "{text}"
    );
    let text = explain("lib", &["--installed", "lib(>=1)"]);
    assert!(
        text.starts_with("exit code 2") && text.contains("write lib(=1)"),
        "{text}"
    );
    let text = explain("modrn", &[]);
    assert!(
        text.starts_with("exit code 1") && text.contains("there is: modern\n"),
        "{text}"
    );
}

#[test]
fn a_host_of_which_nothing_is_said_is_the_same_on_every_machine() {
    let place = repository(true);
    place.write("host.json", "{}");
    let (exit, answer) = resolve(&place, &["--want", "mac,app"]);
    assert_eq!(exit, "exit code 0");
    assert_eq!(
        actions(&answer),
        ["install mac 1.0-1", "install lib 2.0-1", "install app 1.0-1"]
    );
}

#[test]
fn versions_compare_and_requests_match() {
    let place = Place::new();
    for (a, b, order) in [
        ("1.9", "1.10", "-1"),
        ("1.0-2", "1.00-2", "0"),
        ("1.0.0", "1.0", "1"),
    ] {
        let text = place.muster(&["version", "compare", a, b]);
        assert_eq!(text, format!("exit code 0\n--- stdout\n{order}\n"));
    }
    for (request, is_match) in [("p(>=1.2)", "true"), ("p(<1.2)", "false"), ("q", "false")] {
        let text = place.muster(&["request", "match", request, "--name", "p", "--version", "1.2.7-3"]);
        assert_eq!(text, format!("exit code 0\n--- stdout\n{is_match}\n"));
    }
    let text = place.muster(&["request", "match", "p (=1)", "--name", "p", "--version", "1"]);
    assert!(
        text.contains("--- stdout\nfalse\n") && text.contains("remove the blank"),
        "{text}"
    );
}
