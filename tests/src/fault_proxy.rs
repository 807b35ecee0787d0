//! A TCP proxy between agents and a server that breaks on demand, and counts who tries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How connections fare; a change cuts those that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Everything passes.
    Good,
    /// Connections are closed as soon as they are there.
    Refuse,
    /// Connections are taken and nothing is ever said.
    Silent,
}

/// The proxy; it ends with this value.
pub struct FaultProxy {
    port: u16,
    weather: watch::Sender<Weather>,
    /// How often the paths of open connections died.
    deaths: watch::Sender<u64>,
    tries: Arc<AtomicUsize>,
    /// Ends the proxy's tasks when dropped.
    _runtime: tokio::runtime::Runtime,
}

impl FaultProxy {
    /// Listens on a port of its own and passes on to `target`.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start(target: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime for the proxy");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port for the proxy");
        let port = listener.local_addr().expect("its address").port();
        let (weather, changes) = watch::channel(Weather::Good);
        let (deaths, lives) = watch::channel(0);
        let tries = Arc::new(AtomicUsize::new(0));
        let target = SocketAddr::from(([127, 0, 0, 1], target));
        runtime.spawn(serve(listener, target, changes, lives, tries.clone()));
        Self {
            port,
            weather,
            deaths,
            tries,
            _runtime: runtime,
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the weather and cuts what is open.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// From now on nothing passes over the connections that are open, and nobody is told; new ones are not touched.
    pub fn forget_open(&self) {
        self.deaths.send_modify(|deaths| *deaths += 1);
    }

    /// How many connections were tried so far.
    pub fn tries(&self) -> usize {
        self.tries.load(Ordering::Relaxed)
    }
}

async fn serve(
    listener: TcpListener,
    target: SocketAddr,
    weather: watch::Receiver<Weather>,
    lives: watch::Receiver<u64>,
    tries: Arc<AtomicUsize>,
) {
    while let Ok((client, _peer)) = listener.accept().await {
        tries.fetch_add(1, Ordering::Relaxed);
        let mut lives = lives.clone();
        lives.mark_unchanged();
        tokio::spawn(carry(client, target, weather.clone(), lives));
    }
}

async fn carry(
    mut client: TcpStream,
    target: SocketAddr,
    mut weather: watch::Receiver<Weather>,
    mut lives: watch::Receiver<u64>,
) {
    let now = *weather.borrow_and_update();
    match now {
        Weather::Refuse => {}
        Weather::Silent => {
            weather.changed().await.ok();
        }
        Weather::Good => {
            let Ok(mut server) = TcpStream::connect(target).await else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                _ = weather.changed() => {}
                // Both ends stay open, so that neither is told.
                Ok(()) = lives.changed() => {
                    weather.changed().await.ok();
                }
            }
        }
    }
}
