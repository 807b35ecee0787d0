//! The window by role and label: each page's main flow, without a display and without a server.

#![expect(clippy::unwrap_used, reason = "a test stops where something is missing")]

mod dialogs;
mod fleet;
mod flows;
mod hosts;
mod pages;
mod sample;
mod sign_in;

use eframe::App as _;
use egui_kittest::Harness;
use muster_console::app::{App, Options};
use muster_console::state::State;
use muster_console::ui::theme;

/// A window over a model, as large as in the drawings.
fn window(state: State) -> Harness<'static, App> {
    let mut harness = Harness::builder()
        .with_size(egui::vec2(1680.0, 980.0))
        .with_max_steps(60)
        .with_context_setup(|ctx| theme::install(ctx, egui::ThemePreference::Dark))
        .build_ui_state(
            |ui, app: &mut App| {
                app.receive(ui.ctx());
                app.draw(ui);
            },
            App::with_state(&egui::Context::default(), state, Options::default()),
        );
    harness.run_steps(4);
    harness
}

#[test]
fn the_window_is_an_eframe_app_that_clears_to_its_panel() {
    let app = App::with_state(&egui::Context::default(), State::default(), Options::default());
    let visuals = egui::Visuals::dark();
    let cleared = app.clear_color(&visuals).map(f32::to_bits);
    assert_eq!(
        cleared,
        visuals.panel_fill.to_normalized_gamma_f32().map(f32::to_bits)
    );
}
