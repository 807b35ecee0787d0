//! The window: one type, three concerns. [`logic`] receives, [`draw`] draws, and here the outside is done.

mod draw;
mod keys;
mod logic;
mod window_icon;

use std::time::Instant;

use egui::{Context, ThemePreference};
use muster_shared::clock;

use crate::command::CommandQueue;
use crate::pages::frame::search_id;
use crate::settings::SettingsFolder;
use crate::state::{Effect, Moment, State};
use crate::ui::theme;
use crate::worker::Worker;

pub use window_icon::window_icon;

/// How the window is opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Server to put into the sign-in form.
    pub server: Option<String>,
    pub user: Option<String>,
    /// Theme for this run; what is kept in the settings otherwise.
    pub theme: Option<ThemePreference>,
}

/// The window.
pub struct App {
    state: State,
    commands: CommandQueue,
    worker: Option<Worker>,
    options: Options,
}

impl App {
    /// A window with its worker.
    ///
    /// # Errors
    /// The system gives no thread for the worker.
    pub fn new(ctx: &Context, folder: SettingsFolder, options: Options) -> std::io::Result<Self> {
        let waker = ctx.clone();
        let worker = Worker::start(folder, move || waker.request_repaint())?;
        let mut app = Self::with_state(ctx, State::default(), options);
        app.worker = Some(worker);
        let effects = State::start();
        app.carry_out(ctx, effects);
        Ok(app)
    }

    /// A window over a given model, without a worker: for tests and pictures.
    pub fn with_state(ctx: &Context, mut state: State, options: Options) -> Self {
        let preference = options.theme.unwrap_or(state.theme);
        state.theme = preference;
        theme::install(ctx, preference);
        if let Some(server) = &options.server {
            state.sign_in.address.set(server.clone());
        }
        if let Some(user) = &options.user {
            state.sign_in.user.set(user.clone());
        }
        Self {
            state,
            commands: CommandQueue::default(),
            worker: None,
            options,
        }
    }

    /// What is shown.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The model, to be changed by a test.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    fn moment() -> Moment {
        Moment {
            now: clock::now(),
            at: Instant::now(),
        }
    }

    fn carry_out(&mut self, ctx: &Context, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Ask(request) => {
                    if let Some(worker) = &self.worker
                        && !worker.ask(request)
                    {
                        self.state.notice = Some(crate::remote::Problem::new(
                            "too much is waiting for an answer; this request was dropped",
                        ));
                    }
                }
                Effect::FocusSearch => ctx.memory_mut(|memory| memory.request_focus(search_id())),
                Effect::SetTheme(preference) => ctx.set_theme(preference),
                Effect::Copy(text) => ctx.copy_text(text),
                Effect::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
            }
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.receive(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.draw(ui);
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }
}
