//! Receiving: answers and events into the model, requests that are due out of it. Runs while hidden, too.

use std::time::Duration;

use egui::{Context, ThemePreference};

use super::App;
use crate::worker::Answer;

/// Answers taken in one frame; a flood of events must not hold the window up.
const PER_FRAME: usize = 2000;
/// Ages such as "2 min" are drawn again this often.
const CLOCK_TICK: Duration = Duration::from_secs(30);

impl App {
    /// Takes what has come and sends what is due.
    pub fn receive(&mut self, ctx: &Context) {
        let moment = Self::moment();
        for taken in 0..=PER_FRAME {
            let Some(answer) = self.worker.as_mut().and_then(crate::worker::Worker::take) else {
                break;
            };
            self.take(ctx, answer);
            if taken == PER_FRAME {
                ctx.request_repaint();
            }
        }
        let (effects, wait) = self.state.due(moment);
        self.carry_out(ctx, effects);
        if let Some(wait) = wait {
            ctx.request_repaint_after(wait);
        }
        if self.state.session.is_some() {
            ctx.request_repaint_after(CLOCK_TICK);
        }
    }

    /// Takes one answer.
    pub fn take(&mut self, ctx: &Context, answer: Answer) {
        if let Answer::Known(known) = &answer
            && self.options.theme.is_none()
        {
            let theme = match known.theme.as_str() {
                "dark" => ThemePreference::Dark,
                "light" => ThemePreference::Light,
                _ => ThemePreference::System,
            };
            self.state.theme = theme;
            ctx.set_theme(theme);
        }
        let effects = self.state.answer(answer, Self::moment());
        self.carry_out(ctx, effects);
    }
}
