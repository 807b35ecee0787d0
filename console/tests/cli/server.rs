//! What needs a server says clearly when there is none.

use crate::support::{Place, settings};

#[test]
fn without_a_session_every_command_says_how_to_sign_in() {
    let place = Place::new().with_key();
    let refused = place.muster(&["host", "list"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: no server is known yet

    hint: sign in with the line that `muster-server init` printed: muster sign-in 'muster://NAME#sha256=…'
    "#);
    });
    let refused = place.muster(&["host", "act", "upgrade", "pc-1"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: no server is known yet

    hint: sign in with the line that `muster-server init` printed: muster sign-in 'muster://NAME#sha256=…'
    "#);
    });
    let refused = place.muster(&["sign-out"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: no server is known yet

    hint: sign in with the line that `muster-server init` printed: muster sign-in 'muster://NAME#sha256=…'
    "#);
    });
    let refused = place.muster(&[
        "enrol-token",
        "list",
        "--server",
        "elsewhere.example.org",
        "--json",
    ]);
    settings().bind(|| insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    {"error":{"code":"failed","message":"you have never signed in to elsewhere.example.org","hints":["sign in: muster sign-in 'elsewhere.example.org'"]}}
    "#));
}

#[test]
fn an_unreachable_server_and_a_bad_address_are_named() {
    let place = Place::new();
    // A port that was free a moment ago: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("muster://127.0.0.1:{port}#sha256={}", "ab".repeat(32));
    let refused = place.muster_with(&["sign-in", &address, "--password-stdin"], "secret\n");
    let refused = refused.replace(&port.to_string(), "[port]");
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: cannot reach https://127.0.0.1:[port]: Connection refused (os error 111)

    hint: check the name and port, and that muster-server runs there
    "#);
    });
    let refused = place.muster(&["sign-in", "http://srv"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: "http://srv" is not a server address

    hint: write muster://NAME:PORT#sha256=FINGERPRINT as `muster-server init` printed it, or https://NAME:PORT
    "#);
    });
    assert!(place.names().is_empty());
}

#[test]
fn an_upload_of_what_is_no_package_asks_no_server() {
    let place = Place::new();
    place.write("broken.wapt", "not a zip");
    let refused = place.muster(&["package", "upload", "broken.wapt"]);
    settings().bind(|| {
        insta::assert_snapshot!(refused, @r#"
    exit code 1
    --- stderr
    error: broken.wapt cannot be uploaded: not a zip archive that can be read: no end record

    hint: check that the file was copied whole
    "#);
    });
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let place = Place::new();
    let refused = place.muster(&["host", "act", "explode", "pc-1"]);
    assert!(
        refused.starts_with("exit code 2") && refused.contains("upgrade"),
        "{refused}"
    );
    let refused = place.muster(&["host", "act", "upgrade", "pc-1", "--expires", "soon"]);
    assert!(
        refused.starts_with("exit code 2") && refused.contains("15m"),
        "{refused}"
    );
}

#[test]
fn help_teaches_with_examples() {
    let place = Place::new();
    let help = place.ok(&["host", "list", "--help"]);
    assert!(
        help.contains("muster host list status:error") && help.contains("last_seen"),
        "{help}"
    );
    let help = place.muster(&["--help"]);
    settings().bind(|| {
        insta::assert_snapshot!(help, @r#"
        exit code 0
        --- stdout
        Build, sign and publish packages; assign them to machines; order actions and follow them

        Usage: muster [OPTIONS] <COMMAND>

        Commands:
          key            Make keys and certificates, change passwords, exchange keys with other tools
          cert           Look at certificates, renew them, take them back
          package        Make, build, sign, check and upload packages
          repo           Work on a repository folder without a server
          migrate        Take repositories, keys and settings over from WAPT
          import-source  Keep other repositories that packages are imported from
          resolve        Work out what a host would do, from a repository folder
          explain        Say why a host is offered a package or not, and what becomes of it there
          version        The order of versions
          request        Requests such as name(>=1.2)
          sign-in        Sign in to a server
          sign-out       End the session with a server
          host           See machines, assign packages to them, order actions
          action         See what was ordered and what became of it
          enrol-token    Tokens that let new machines enrol
          token          Smartcards and other PKCS#11 tokens: list them, put keys onto them

        Options:
              --json              Print JSON instead of text; the field names are stable
              --config-dir <DIR>  The folder of your settings and sessions [default: the system's usual
                                  place] [env: MUSTER_CONFIG_DIR]
              --server <SERVER>   The server to talk to, when you are signed in to several: its name or its
                                  address [env: MUSTER_SERVER]
          -h, --help              Print help
          -V, --version           Print version

        The way of a package, from nothing:
          muster key create alice                     your key (asks for a password) and certificate
          muster package new demo-hello               sources that work as they are
          muster package build demo-hello             build and sign
          muster sign-in muster://srv#sha256=…        the line that `muster-server init` printed
          muster package upload demo-hello_1.0-0.wapt
          muster host edit pc-12 --require demo-hello
          muster host act upgrade pc-12 --wait

        Your settings are one file, console.toml in the folder of your settings (~/.config/muster on
        Linux, %APPDATA%\Muster on Windows), shared with the window: server, prefix, maintainer, modules,
        signer.

        Exit codes:
          0  done
          1  refused or failed; nothing was changed unless the message says so
          2  wrong usage of the command line
          3  carried out, but failed in part (some hosts or files)
        "#);
    });
}
