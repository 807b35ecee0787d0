//! Signing in: nothing is sent to a server whose certificate nobody compared.

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use muster_console::state::State;
use muster_console::state::sign_in::Stage;
use muster_console::worker::{Answer, SeenCertificate};

use crate::sample;
use crate::window;

#[test]
fn an_unknown_server_shows_its_fingerprint_and_eight_characters_are_typed() {
    let mut harness = window(State::default());
    harness
        .get_by_role_and_label(Role::TextInput, "Server")
        .type_text("srv.example.org");
    harness.run_steps(2);
    harness.get_by_role_and_label(Role::TextInput, "User").click();
    harness.run_steps(2);
    harness
        .get_by_role_and_label(Role::TextInput, "User")
        .type_text("admin");
    harness.run_steps(2);
    harness
        .get_by_role_and_label(Role::PasswordInput, "Password")
        .click();
    harness.run_steps(2);
    harness
        .get_by_role_and_label(Role::PasswordInput, "Password")
        .type_text("secret");
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert_eq!(harness.state().state().sign_in.stage, Stage::Looking);

    let seen = SeenCertificate {
        line: format!("muster://srv.example.org#sha256={}", "0123abcd".repeat(8)),
        subject: "CN=srv.example.org".to_owned(),
        issuer: "CN=Muster server CA".to_owned(),
        fingerprint: "0123abcd".repeat(8),
        not_after: sample::moment().now,
    };
    harness
        .state_mut()
        .state_mut()
        .answer(Answer::Inspected(Ok(seen)), sample::moment());
    harness.run_steps(6);
    harness.get_by_label("Is this your server?");
    let field = harness.get_by_label("First eight characters of the fingerprint");
    assert!(field.is_focused());
    field.type_text("0123abce");
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(6);
    assert!(matches!(harness.state().state().sign_in.stage, Stage::Compare(_)));
    let field = harness.get_by_label("First eight characters of the fingerprint");
    assert!(field.is_focused());
    harness.key_press(Key::Backspace);
    harness.run_steps(2);
    harness
        .get_by_label("First eight characters of the fingerprint")
        .type_text("d");
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert_eq!(harness.state().state().sign_in.stage, Stage::Sending);
}
