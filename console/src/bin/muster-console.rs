//! The Muster console: opens the window.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use egui::ThemePreference;
use muster_console::app::{App, Options, window_icon};
use muster_console::settings::SettingsFolder;

/// Which colours.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Theme {
    Dark,
    Light,
    System,
}

/// The window for administrators: hosts, packages, what was ordered.
#[derive(Debug, Parser)]
#[command(name = "muster-console", version)]
struct Arguments {
    /// Server to sign in to: its name, or the muster:// line that `muster-server init` printed
    #[arg(long, value_name = "ADDRESS")]
    server: Option<String>,
    /// User to sign in as
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Colours for this run; as kept or as the system says when absent
    #[arg(long)]
    theme: Option<Theme>,
    /// Folder of this user's settings
    #[arg(long, value_name = "DIR", env = muster_console::settings::CONFIG_DIR_VARIABLE)]
    config_dir: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("MUSTER_LOG"))
        .with_writer(std::io::stderr)
        .init();
    rustls::crypto::ring::default_provider().install_default().ok();
    let folder = SettingsFolder::find(arguments.config_dir.as_deref()).context("finding the settings")?;
    let options = Options {
        server: arguments.server,
        user: arguments.user,
        theme: arguments.theme.map(|theme| match theme {
            Theme::Dark => ThemePreference::Dark,
            Theme::Light => ThemePreference::Light,
            Theme::System => ThemePreference::System,
        }),
    };
    let native = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Muster")
            .with_app_id("muster-console")
            .with_inner_size([1680.0, 980.0])
            .with_min_inner_size([900.0, 560.0])
            .with_icon(window_icon())
            .with_drag_and_drop(true),
        persistence_path: Some(folder.path().join("window.ron")),
        ..eframe::NativeOptions::default()
    };
    let opened = eframe::run_native(
        "muster-console",
        native,
        Box::new(move |creation| Ok(Box::new(App::new(&creation.egui_ctx, folder, options)?))),
    );
    opened
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("opening the window")
}
