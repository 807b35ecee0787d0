//! `muster-agent check`: looks at one layer after the other and says what to do about each that is not right.

use std::time::Duration;

use jiff::Timestamp;
use muster_shared::clock;
use muster_shared::crypto::TrustError;
use muster_shared::hint::{Hint as _, chain};
use muster_shared::protocol::local::LocalRequest;
use serde_json::json;

use super::when::{bytes, counted, length, with_distance};
use super::{Common, Done, reach};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::local_api::client::LocalClient;
use crate::paths::Paths;
use crate::script::python;
use crate::server_client::{Connection, ServerError};
use crate::state::{State, facts};
use crate::{platform, revocation};

/// The server is given this long to say that it is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// Requests are refused when the clocks differ by more; the agent then asks the server for its time.
const MAX_DRIFT_SECS: u64 = 5 * 60;

/// Check configuration, trust, Python, service, server and packages, and say what to do.
///
/// Changes nothing. Exit code 1 when something keeps the agent from its work, 0 when there is only something to do.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    /// It works, but somebody should look at it.
    ToDo,
    /// Something does not work.
    Failed,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToDo => "to do",
            Self::Failed => "FAILED",
        }
    }
}

/// What was found about one layer.
struct Finding {
    layer: &'static str,
    verdict: Verdict,
    text: String,
    hints: Vec<String>,
}

impl Finding {
    fn new(layer: &'static str, verdict: Verdict, text: impl Into<String>) -> Self {
        Self {
            layer,
            verdict,
            text: text.into(),
            hints: Vec::new(),
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    fn of_failure(layer: &'static str, failure: &Failure) -> Self {
        Self {
            layer,
            verdict: Verdict::Failed,
            text: chain(failure),
            hints: failure.hints(),
        }
    }
}

pub(super) async fn run(common: &Common, _arguments: &Arguments) -> Done {
    if !reach::may_read(common) {
        return Err(reach::only_administrators("check it"));
    }
    let findings = look(&common.paths()).await;
    let value: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({
                "layer": finding.layer,
                "verdict": finding.verdict.as_str(),
                "text": finding.text,
                "hints": finding.hints,
            })
        })
        .collect();
    common.output().answer(&value, |_value| {
        let mut lines = Vec::new();
        for finding in &findings {
            let verdict = finding.verdict.as_str();
            lines.push(format!("{verdict:<6}  {:<13}  {}", finding.layer, finding.text));
            let hints = finding.hints.iter();
            lines.extend(hints.map(|hint| format!("{:23}hint: {hint}", "")));
        }
        lines.join("\n")
    });
    let is_failed = findings.iter().any(|finding| finding.verdict == Verdict::Failed);
    Ok(is_failed.then_some(Exit::Failed))
}

async fn look(paths: &Paths) -> Vec<Finding> {
    let config = match Config::load(paths) {
        Ok(config) => config,
        // Nothing else can be said without one.
        Err(error) => return vec![Finding::of_failure("configuration", &Failure::from(error))],
    };
    let now = clock::now();
    let state = State::open_read_only(&paths.database()).await;
    let mut findings = vec![
        configuration(paths, &config),
        database(paths, &state).await,
        disk(paths, &config),
        trust(paths, now),
    ];
    if let Ok(state) = &state {
        findings.push(interpreter(paths, &config, state).await);
    }
    findings.push(service(paths).await);
    findings.push(server(&config, now).await);
    findings.push(registration(paths, &config));
    if let Ok(state) = &state {
        findings.push(update(state, now).await);
        findings.push(packages(state).await);
    }
    findings.extend(wapt().await);
    findings
}

fn configuration(paths: &Paths, config: &Config) -> Finding {
    let path = paths.config_file();
    let set = config.shown(paths);
    let count = set.iter().filter(|value| value.origin != "default").count() as u64;
    let text = if path.exists() {
        format!("{}, {} set", path.display(), counted(count, "key"))
    } else {
        format!("{} is not there: all keys hold their default", path.display())
    };
    Finding::new("configuration", Verdict::Ok, text)
}

async fn database(paths: &Paths, state: &Result<State, crate::state::StateError>) -> Finding {
    let path = paths.database();
    let installed = match state {
        Ok(state) => state.installed().await.map_err(Failure::from),
        Err(crate::state::StateError::Missing(_)) => {
            return Finding::new("database", Verdict::ToDo, "there is none yet")
                .hint("the first `muster-agent update` makes it, and so does the service");
        }
        Err(error) => {
            return Finding::new("database", Verdict::Failed, chain(error)).hint(format!(
                "move {} away: the agent makes a new one, and knows no installed package then",
                path.display()
            ));
        }
    };
    match installed {
        Ok(rows) => Finding::new(
            "database",
            Verdict::Ok,
            format!("{}, {}", path.display(), counted(rows.len() as u64, "package")),
        ),
        Err(failure) => Finding::of_failure("database", &failure),
    }
}

fn disk(paths: &Paths, config: &Config) -> Finding {
    let folder = paths.state_dir();
    let Some(free) = platform::free_bytes(&folder) else {
        return Finding::new(
            "disk",
            Verdict::Ok,
            format!("{} is not there yet", folder.display()),
        );
    };
    let reserve = config.repositories.disk_reserve_mib.saturating_mul(1024 * 1024);
    let text = format!("{} free at {}", bytes(free), folder.display());
    if free > reserve {
        return Finding::new("disk", Verdict::Ok, text);
    }
    Finding::new(
        "disk",
        Verdict::Failed,
        format!("{text}; {} stay free (disk_reserve_mib)", bytes(reserve)),
    )
    .hint("make room, or have the cache emptied: muster-agent clean --force")
}

fn trust(paths: &Paths, now: Timestamp) -> Finding {
    let folder = paths.trust_dir();
    let store = match revocation::trust_store(paths) {
        Ok(store) => store,
        Err(error) => return Finding::of_failure("trust", &revocation::unusable(&error)),
    };
    let problems: Vec<String> = store
        .anchors()
        .iter()
        .filter_map(|anchor| match store.check(anchor, &[], now) {
            Ok(_) | Err(TrustError::NotForSigning { .. }) => None,
            Err(error) => Some(format!("{}: {error}", anchor.common_name())),
        })
        .collect();
    let count = store.anchors().len();
    if count == 0 {
        return Finding::new(
            "trust",
            Verdict::Failed,
            format!(
                "{} holds no certificate: nobody's packages are accepted",
                folder.display()
            ),
        )
        .hint("put the certificates (*.crt) of those who sign packages into the folder");
    }
    let text = format!("{} in {}", counted(count as u64, "certificate"), folder.display());
    if problems.is_empty() {
        return Finding::new("trust", Verdict::Ok, text);
    }
    let verdict = if problems.len() == count {
        Verdict::Failed
    } else {
        Verdict::ToDo
    };
    Finding::new("trust", verdict, format!("{text}; {}", problems.join("; ")))
        .hint("put a valid certificate into the folder, and take out what is no longer wanted")
}

async fn interpreter(paths: &Paths, config: &Config, state: &State) -> Finding {
    let status = python::status(paths, config, state).await;
    let text = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
    if let Some(problem) = status["problem"].as_str() {
        return Finding::new("python", Verdict::Failed, problem)
            .hint("install Python 3.9 or later, or name one as python in agent.toml");
    }
    let said = format!("{}, {}: {}", text("version"), text("origin"), text("path"));
    Finding::new("python", Verdict::Ok, said)
}

async fn service(paths: &Paths) -> Finding {
    let asked = async {
        let Some(client) = LocalClient::connect(&paths.socket()).await? else {
            return Ok(None);
        };
        client.ask(&LocalRequest::Status, |_, _| {}).await.map(Some)
    };
    let status = match asked.await {
        Ok(Some(status)) => status,
        Ok(None) => {
            return Finding::new(
                "service",
                Verdict::ToDo,
                "it does not run: nothing happens by itself, and ordinary users can do nothing",
            )
            .hint("start it: muster-agent service install");
        }
        Err(failure) => return Finding::of_failure("service", &failure),
    };
    let version = status["version"].as_str().unwrap_or_default();
    if let Some(error) = status["configuration_error"].as_str() {
        return Finding::new("service", Verdict::Failed, error)
            .hint("correct the file; until then the configuration before it is in force");
    }
    if version != env!("CARGO_PKG_VERSION") {
        return Finding::new(
            "service",
            Verdict::ToDo,
            format!(
                "version {version} runs, this program is {}",
                env!("CARGO_PKG_VERSION")
            ),
        )
        .hint("restart the service");
    }
    let channel = match (status["server"].is_null(), status["connected"].as_bool()) {
        (true, _) => "",
        (false, Some(true)) => ", live channel to the server open",
        (false, _) => ", live channel to the server closed",
    };
    Finding::new("service", Verdict::Ok, format!("version {version} runs{channel}"))
}

async fn server(config: &Config, now: Timestamp) -> Finding {
    let Some(server) = &config.server else {
        return Finding::new(
            "server",
            Verdict::ToDo,
            "none is configured: the agent works alone",
        )
        .hint("muster-agent register --server 'muster://NAME#sha256=…' --token TOKEN");
    };
    let theirs = match ask_server(config, server).await {
        Ok(theirs) => theirs,
        Err(error) => {
            let failure = Failure::from_hinted(error.code(), error);
            return Finding::of_failure("server", &failure);
        }
    };
    let drift = theirs.map_or(0, |theirs| theirs.as_second().abs_diff(now.as_second()));
    if drift > MAX_DRIFT_SECS {
        return Finding::new(
            "server",
            Verdict::ToDo,
            format!("{server} answers; its clock differs by {}", length(drift)),
        )
        .hint("set the clock: dates of certificates, orders and revocation lists are judged by it");
    }
    Finding::new("server", Verdict::Ok, format!("{server} answers"))
}

/// Whether the server is well; gives its time.
async fn ask_server(config: &Config, server: &str) -> Result<Option<Timestamp>, ServerError> {
    let client = Connection::to_server(config)?.http_client()?;
    let response = client
        .get(format!("{server}/api/v1/health"))
        .timeout(PATIENCE)
        .send()
        .await
        .map_err(|error| ServerError::of_transport(server, "the question whether it is well", error))?;
    if !response.status().is_success() {
        return Err(ServerError::Status {
            server: server.to_owned(),
            what: "the question whether it is well".to_owned(),
            status: response.status().as_u16(),
        });
    }
    let date = response.headers().get(reqwest::header::DATE);
    let date = date.and_then(|date| date.to_str().ok());
    Ok(date.and_then(|date| {
        jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(date)
            .ok()
    }))
}

fn registration(paths: &Paths, config: &Config) -> Finding {
    let not_yet = || {
        Finding::new("registration", Verdict::ToDo, "this machine is not registered")
            .hint("muster-agent register --token TOKEN, with a token of `muster enrol-token create`")
    };
    // Looking must not make an identity.
    if !paths.private_dir().join("identity.json").exists() {
        return not_yet();
    }
    match crate::identity::Identity::load_or_create(paths, config) {
        Ok(identity) if identity.is_registered() => Finding::new(
            "registration",
            Verdict::Ok,
            format!("as {}", identity.identifier()),
        ),
        Ok(_identity) => not_yet(),
        Err(error) => {
            let failure = Failure::from_hinted(muster_shared::protocol::error::ErrorCode::Internal, error);
            Finding::of_failure("registration", &failure)
        }
    }
}

async fn update(state: &State, now: Timestamp) -> Finding {
    let read = async {
        let at = state.time_fact(facts::UPDATED_AT).await?;
        let error = state.fact(facts::UPDATE_ERROR).await?;
        Ok::<_, crate::state::StateError>((at, error.filter(|text| !text.is_empty())))
    };
    match read.await {
        Ok((Some(at), None)) => Finding::new("last update", Verdict::Ok, with_distance(at, now)),
        Ok((at, Some(error))) => {
            let last = at.map_or_else(String::new, |at| format!("{}: ", with_distance(at, now)));
            Finding::new("last update", Verdict::ToDo, format!("{last}{error}")).hint("muster-agent update")
        }
        Ok((None, None)) => {
            Finding::new("last update", Verdict::ToDo, "none yet").hint("muster-agent update")
        }
        Err(error) => Finding::of_failure("last update", &Failure::from(error)),
    }
}

async fn packages(state: &State) -> Finding {
    let block = match state.packages_block().await {
        Ok(block) => block,
        Err(error) => return Finding::of_failure("packages", &Failure::from(error)),
    };
    let pending = state.pending().await.map_or(0, |pending| pending.len());
    let text = format!(
        "{}, {} pending",
        counted(block.installed.len() as u64, "package"),
        counted(pending as u64, "change"),
    );
    match block.failed_count() {
        0 => Finding::new("packages", Verdict::Ok, text),
        failed => Finding::new("packages", Verdict::ToDo, format!("{text}, {failed} in ERROR")).hint(
            "muster-agent list shows which, muster-agent log PACKAGE why; every upgrade tries them again",
        ),
    }
}

/// Two agents must not manage one machine for long.
async fn wapt() -> Option<Finding> {
    let folder = platform::wapt::folders()
        .into_iter()
        .find(|folder| folder.is_dir())?;
    let mut has_service = false;
    for service in platform::wapt::SERVICES {
        has_service |= platform::wapt::has_service(service).await;
    }
    has_service.then(|| {
        Finding::new(
            "WAPT",
            Verdict::ToDo,
            format!("a WAPT agent is on this machine too: {}", folder.display()),
        )
        .hint("muster-agent migrate --disable-wapt takes over from it and stops it; uninstall it when all is well")
    })
}
