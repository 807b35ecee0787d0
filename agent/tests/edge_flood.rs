//! A server that was taken over and floods a host over the live channel: bounded time, memory and rows.
#![expect(clippy::unwrap_used, reason = "tests")]
#![cfg(target_os = "linux")]

mod edge_support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use edge_support::{Endpoint, Stream};
use futures_util::{SinkExt as _, StreamExt as _};
use muster_shared::envelope::merkle::Proof;
use muster_shared::envelope::{Envelope, EnvelopeSignature};
use muster_shared::protocol::live::{Refresh, ToAgent};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

/// Frames a second, and for how many seconds.
const RATE: u64 = 1000;
const SECONDS: u64 = 10;

struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Service {
    fn start(root: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_muster-agent"))
            .arg("--root")
            .arg(root)
            .arg("run")
            .env("MUSTER_LOG", "error")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Processor time used so far, in hundredths of a second.
    fn ticks(&self) -> u64 {
        let text = fs_err::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let after_name = text.rsplit_once(')').unwrap().1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    fn resident_kib(&self) -> u64 {
        let text = fs_err::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// Waits for the live channel; every other connection is closed.
async fn channel(endpoint: &Endpoint) -> WebSocketStream<Stream> {
    loop {
        let (tcp, _peer) = endpoint.listener.accept().await.unwrap();
        let Ok(tls) = endpoint.acceptor.accept(tcp).await else {
            continue;
        };
        // Requests of the agent are no upgrade: they fail here.
        if let Ok(Ok(socket)) =
            tokio::time::timeout(Duration::from_secs(5), tokio_tungstenite::accept_async(tls)).await
        {
            return socket;
        }
    }
}

fn order(number: u64) -> ToAgent {
    use base64::Engine as _;
    let payload =
        serde_json::json!({ "version": 1, "batch": Uuid::now_v7(), "action": "upgrade", "number": number });
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    ToAgent::Action {
        envelope: Envelope {
            payload_type: "application/vnd.muster.action+json".to_owned(),
            payload: encode(payload.to_string().as_bytes()),
            signatures: vec![EnvelopeSignature {
                keyid: "00".repeat(32),
                sig: encode(&[7; 256]),
            }],
            certificates: Vec::new(),
        },
        proof: Proof {
            index: 0,
            path: Vec::new(),
        },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_orders_and_hints_costs_bounded_time_memory_and_rows() {
    let place = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::bind().await;
    let configuration = place.path().join("etc/muster/agent.toml");
    fs_err::create_dir_all(configuration.parent().unwrap().join("trust")).unwrap();
    fs_err::write(
        &configuration,
        format!(
            "wapt_server = \"https://{}\"\nserver_pin = \"{}\"\nuuid = \"flooded\"\n",
            endpoint.authority, endpoint.pin
        ),
    )
    .unwrap();
    let service = Service::start(place.path());
    let socket = tokio::time::timeout(Duration::from_mins(1), channel(&endpoint))
        .await
        .unwrap();
    let (mut sender, mut receiver) = socket.split();
    // Other requests find nobody; what the agent says is read and forgotten.
    tokio::spawn(async move { while let Some(Ok(_message)) = receiver.next().await {} });
    let before = (service.ticks(), service.resident_kib());
    let began = std::time::Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    let mut sent = 0_u64;
    'flood: while began.elapsed() < Duration::from_secs(SECONDS) {
        pace.tick().await;
        for _ in 0..RATE / 100 {
            let frame = if sent.is_multiple_of(2) {
                order(sent)
            } else {
                ToAgent::Refresh {
                    what: Refresh::Repository,
                }
            };
            let text = serde_json::to_string(&frame).unwrap();
            let left = Duration::from_secs(SECONDS).saturating_sub(began.elapsed());
            // An agent that takes no more makes this end of the channel wait.
            match tokio::time::timeout(left, sender.send(Message::text(text))).await {
                Ok(Ok(())) => sent += 1,
                _ => break 'flood,
            }
        }
    }
    let used = service.ticks() - before.0;
    let grown = service.resident_kib().saturating_sub(before.1);
    assert!(sent > 200, "only {sent} frames were sent");
    assert!(
        used < SECONDS * 100 / 4,
        "{used} hundredths of a second for {sent} frames"
    );
    assert!(grown < 8 * 1024, "{grown} KiB more for {sent} frames");
    let tasks = Command::new(env!("CARGO_BIN_EXE_muster-agent"))
        .arg("--root")
        .arg(place.path())
        .args(["status", "--json"])
        .output()
        .unwrap();
    let status: serde_json::Value = serde_json::from_slice(&tasks.stdout).unwrap();
    assert!(status["waiting"].as_u64().unwrap() <= 1, "{status}");
}
