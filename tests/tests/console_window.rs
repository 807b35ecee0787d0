//! The real window, driven by its keyboard under a real X server: sign in, open a host, add a package, PIN, save
//! and apply, and the host turns OK while the window looks at it.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use muster_tests::{Daemon, Token, World, binary, eventually, run};

/// An X server of its own, on a display that was free.
struct Display {
    server: Child,
    name: String,
}

impl Display {
    fn start() -> Self {
        let mut server = Command::new("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "1680x980x24",
                "-nolisten",
                "tcp",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is installed: make setup");
        let mut line = String::new();
        let stdout = server.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        Self {
            server,
            name: format!(":{}", line.trim()),
        }
    }

    fn tool(&self, program: &str, args: &[&str]) -> muster_tests::Done {
        run(
            Path::new(program),
            args,
            "",
            &[("DISPLAY", OsStr::new(&self.name))],
        )
    }

    /// Gives the window the keyboard: there is no window manager.
    fn focus(&self) {
        eventually("the window", || {
            let found = self.tool("xdotool", &["search", "--onlyvisible", "--name", "Muster"]);
            let window = found.stdout.lines().next().unwrap_or_default().to_owned();
            if window.is_empty() {
                return Err(format!("{found:?}"));
            }
            let done = self.tool("xdotool", &["windowfocus", "--sync", &window]);
            if done.code == 0 { Ok(()) } else { Err(done.stderr) }
        });
    }

    fn key(&self, key: &str) {
        self.tool("xdotool", &["key", "--clearmodifiers", key]).ok();
    }

    fn type_text(&self, text: &str) {
        self.tool("xdotool", &["type", "--delay", "25", text]).ok();
    }

    fn picture(&self, path: &Path) {
        self.tool("import", &["-window", "root", path.to_str().unwrap()])
            .ok();
    }

    /// Waits until the picture changes no more: what was asked for is drawn.
    fn settle(&self, folder: &Path) {
        let (before, after) = (folder.join("before.png"), folder.join("after.png"));
        eventually("a window that stands still", || {
            self.picture(&before);
            std::thread::park_timeout(std::time::Duration::from_millis(300));
            self.picture(&after);
            let same = self.tool(
                "compare",
                &[
                    "-metric",
                    "AE",
                    "-fuzz",
                    "2%",
                    before.to_str().unwrap(),
                    after.to_str().unwrap(),
                    "null:",
                ],
            );
            let differing: f64 = same
                .stderr
                .split_whitespace()
                .next()
                .and_then(|n| n.parse().ok())
                .unwrap_or(f64::MAX);
            // A blinking cursor and a clock may move.
            if differing < 600.0 {
                Ok(())
            } else {
                Err(format!("{differing} pixels differ"))
            }
        });
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

/// Where pictures are kept for a person to look at, when one asks for them.
fn keep(picture: &Path, name: &str) {
    if let Some(folder) = std::env::var_os("MUSTER_TEST_PICTURES").map(PathBuf::from) {
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::copy(picture, folder.join(name)).unwrap();
    }
}

#[test]
fn the_window_takes_a_package_to_a_host_with_a_smartcard() {
    let world = World::start();
    let people = world.people();
    let token = Token::holding(
        world.folder(),
        &people.join("alice.pem"),
        &people.join("alice.crt"),
    );
    let mut agent = world.enrol("pc-1");
    agent.start();
    world.publish(&world.sources("demo-window", "1.4-2").marker());
    world.wait_for_status("pc-1", "OK");
    fs_err::remove_file(people.join("alice.pem")).unwrap();

    for theme in ["dark", "light"] {
        let display = Display::start();
        let settings = world.folder().join(format!("settings-{theme}"));
        fs_err::create_dir_all(&settings).unwrap();
        fs_err::write(
            settings.join("console.toml"),
            format!(
                "[signer]\nkind = \"token\"\nmodule = {:?}\nlabel = \"{}\"\n",
                token.module(),
                Token::LABEL
            ),
        )
        .unwrap();
        let mut console = Daemon::start(
            &binary("muster-console"),
            &["--server", world.address(), "--theme", theme],
            &world.folder().join(format!("console-{theme}.log")),
            &[
                ("DISPLAY", OsStr::new(&display.name)),
                ("WAYLAND_DISPLAY", OsStr::new("")),
                ("LIBGL_ALWAYS_SOFTWARE", OsStr::new("1")),
                ("MUSTER_CONFIG_DIR", settings.as_os_str()),
                ("SOFTHSM2_CONF", token.conf().as_os_str()),
            ],
        );
        let picture = world.folder().join("picture.png");
        let look = |name: &str| {
            display.settle(world.folder());
            display.picture(&picture);
            keep(&picture, &format!("{name}-{theme}.png"));
        };
        display.focus();
        look("sign-in");
        display.type_text("admin");
        display.key("Tab");
        display.type_text(world.password());
        display.key("Return");
        eventually("a session of the window", || {
            let kept = fs_err::read_dir(&settings)
                .unwrap()
                .flatten()
                .any(|entry| entry.file_name().to_string_lossy().starts_with("console"));
            let text = fs_err::read_to_string(settings.join("console.toml")).unwrap_or_default();
            if kept && text.contains("admin") {
                Ok(())
            } else {
                Err(text)
            }
        });
        look("hosts");
        display.key("Down");
        look("host");
        display.key("ctrl+o");
        look("edit");
        if theme == "dark" {
            display.type_text("demo-window");
            look("edit-found");
            display.key("Return");
            display.key("ctrl+shift+s");
            look("pin");
            display.type_text(Token::PIN);
            display.key("Return");
            eventually("the package is installed", || {
                agent.marker("demo-window").ok_or_else(|| console.log())
            });
            world.wait_for_status("pc-1", "OK");
            look("applied");
            display.key("Return");
            look("host-ok");
        } else {
            display.key("Escape");
        }
        assert!(!console.log().contains("panicked"), "{}", console.log());
        display.key("ctrl+k");
        look("palette");
        display.key("Escape");
        console.wait_for_log("");
        assert!(console.end("TERM").code().is_none_or(|code| code == 0));
    }
    assert_eq!(agent.marker("demo-window").as_deref(), Some("1.4-2"));
    let host = world.host("pc-1");
    assert!(host.to_string().contains("demo-window"), "{host}");
}
