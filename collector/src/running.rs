//! Starting and stopping: the rooms wired together.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::http::StatusCode;
use timeline::ids::Micros;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::api::{self, Api};
use crate::clock::Clock;
use crate::config::{BadSettings, Config, Sample, Settings, refuse_unknown_environment};
use crate::decode;
use crate::export;
use crate::health::{Health, sentence};
use crate::ingest::{Committer, Ingest};
use crate::live::Live;
use crate::logging;
use crate::metrics::Metrics;
use crate::pipeline::{self, Arrived, Keeper, State, Wiring};
use crate::store::sqlite::Sqlite;
use crate::store::{Store, StoreError};

/// A batch must come, and be answered, within this time.
const INGEST_TIME: Duration = Duration::from_secs(30);
/// How long closed timelines that wait may still be sent to a trace backend then.
const SEND_TIME: Duration = Duration::from_secs(3);
/// How long requests under way may take once the process is to end.
const STOP_TIME: Duration = Duration::from_secs(5);

/// Why the collector does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings do not hold.
    #[error(transparent)]
    Settings(#[from] BadSettings),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error(
        "cannot listen on {address}; stop what listens there, or set another address with --listen"
    )]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A trace backend that cannot be spoken to.
    #[error("cannot speak to the trace backend")]
    Backend(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The machine gives no threads.
    #[error("the machine gives no more threads")]
    Threads(#[source] std::io::Error),
}

/// A collector at work. Dropped without [`Running::stop`] it ends as if killed: what was answered
/// 2xx is in the journal.
pub struct Running {
    /// Where everything is served.
    pub ingest_address: SocketAddr,
    /// Where everything but ingest is served, if that is elsewhere.
    pub public_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    ended: blocking::Receiver<()>,
    runtime: Option<Runtime>,
    metrics: Arc<Metrics>,
}

/// Starts a collector: opens the store, replays the journal, listens. Returns once it listens.
///
/// It has its own threads, and may be started from anywhere.
pub fn start(settings: Settings) -> Result<Running, StartError> {
    start_own(settings.check()?)
}

fn start_own(config: Config) -> Result<Running, StartError> {
    let store = Arc::new(Sqlite::open(&config.data, config.retention)?);
    start_checked(config, store)
}

/// As [`start`], on a store of one's own: what the settings say of the store is not used.
pub fn start_on(settings: Settings, store: Arc<dyn Store>) -> Result<Running, StartError> {
    start_checked(settings.check()?, store)
}

fn start_checked(config: Config, store: Arc<dyn Store>) -> Result<Running, StartError> {
    let listener = listen(config.listen)?;
    let public = config.public_listen.map(listen).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("collector")
        .enable_all()
        .build()
        .map_err(StartError::Threads)?;
    start_rooms(config, store, listener, public, runtime)
}

/// Serves until Ctrl-C or SIGTERM. Prints `listening on http://…` once it does.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    refuse_unknown_environment(std::env::vars_os().map(|(name, _)| name))?;
    let is_check = settings.check_config;
    let config = settings.check()?;
    if is_check {
        println!("the settings are fine");
        return Ok(());
    }
    let own_spans = logging::start(&config)?;
    let running = tokio::task::spawn_blocking(|| start_own(config)).await??;
    let (end, ending) = oneshot::channel();
    let sending = own_spans.map(|own| tokio::spawn(own.run(running.metrics.clone(), ending)));
    println!("listening on http://{}", running.ingest_address);
    if let Some(address) = running.public_address {
        println!("listening on http://{address} for reading");
    }
    asked_to_end().await?;
    tracing::info!("stopping");
    tokio::task::spawn_blocking(|| running.stop()).await?;
    if let Some(sending) = sending {
        drop(end);
        // What a backend does not take by then is lost; its timelines were told so already.
        let _ = tokio::time::timeout(SEND_TIME, sending).await;
    }
    Ok(())
}

async fn asked_to_end() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.context("cannot wait for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

impl Running {
    /// Ends in order: answers what is under way, stores what is closed.
    pub fn stop(mut self) {
        // Nobody listens only if it has ended already.
        let _ = self.stop.send(true);
        let _ = self.ended.recv_timeout(STOP_TIME + Duration::from_secs(5));
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Blocks until it ends.
    pub fn wait(&self) {
        // An error means that it has ended too.
        let _ = self.ended.recv();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let listen = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen().map_err(|source| StartError::Address { address, source })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    let any = SocketAddr::from(([0, 0, 0, 0], 0));
    listener.local_addr().map_err(|source| StartError::Address { address: any, source })
}

fn start_rooms(
    config: Config,
    store: Arc<dyn Store>,
    listener: TcpListener,
    public: Option<TcpListener>,
    runtime: Runtime,
) -> Result<Running, StartError> {
    let ingest_address = address(&listener)?;
    let public_address = public.as_ref().map(address).transpose()?;
    let (metrics, health, live) =
        (Arc::new(Metrics::new()), Arc::new(Health::default()), Live::new());
    let (inputs, inputs_end) = mpsc::unbounded_channel();
    let (commands, commands_end) = mpsc::unbounded_channel();
    let (rows, rows_end) = blocking::channel();
    let (outbox, sender) = {
        // Its connections are made on it, once there is something to send.
        let _on = runtime.enter();
        let open = |otlp| export::open(otlp, config.naming.clone(), metrics.clone());
        let backend = config.otlp.as_ref().filter(|otlp| otlp.sample != Sample::Off);
        backend.map(open).transpose()?.unzip()
    };
    let wiring = Wiring {
        clock: Clock::going_on_from(Micros(0)),
        store: store.clone(),
        metrics: metrics.clone(),
        live: live.clone(),
        keeper: rows,
        outbox,
        committer: commands.downgrade(),
        open_limit: config.limits.open_timelines,
        journal_limit: config.retention.journal_bytes,
    };
    let resume = store.resume_points()?.into_iter().collect();
    let (state, clock) = replay(&*store, &config, &metrics, State::new(wiring, resume))?;
    let committer = Committer {
        store: store.clone(),
        clock,
        pipeline: inputs.clone(),
        metrics: metrics.clone(),
        health: health.clone(),
    };
    let keeper = Keeper {
        store: store.clone(),
        pipeline: inputs.downgrade(),
        metrics: metrics.clone(),
        health: health.clone(),
    };
    let committing = thread("commit", move || committer.run(commands_end))?;
    let keeping = thread("keep", move || keeper.run(rows_end))?;
    let folding = runtime.spawn(pipeline::run(state, inputs_end));
    let sending = sender.map(|sender| runtime.spawn(sender.run()));

    let (stop, stopping) = watch::channel(false);
    let ingest = Arc::new(Ingest::new(
        config.limits,
        config.ingest_token.clone(),
        commands,
        metrics.clone(),
        health.clone(),
    ));
    let counted = metrics.clone();
    let api = Arc::new(Api {
        config,
        ingest_address,
        store,
        pipeline: inputs,
        live,
        metrics,
        health,
        stopping: stopping.clone(),
    });
    let reading = api::reading(api).layer(CatchPanicLayer::new());
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, INGEST_TIME);
    let everything =
        reading.clone().merge(api::taking(ingest).layer(timeout).layer(CatchPanicLayer::new()));

    let mut serving = vec![runtime.spawn(serve(listener, everything, stopping.clone()))];
    serving.extend(public.map(|public| runtime.spawn(serve(public, reading, stopping))));
    let (end, ended) = blocking::channel();
    runtime.spawn(async move {
        for room in serving.into_iter().chain([folding]) {
            // One that panicked has ended too.
            let _ = room.await;
        }
        if let Some(sending) = sending
            && tokio::time::timeout(SEND_TIME, sending).await.is_err()
        {
            tracing::warn!("the trace backend did not take all timelines in time");
        }
        let join = tokio::task::spawn_blocking(move || {
            let _ = committing.join();
            let _ = keeping.join();
        });
        let _ = join.await;
        let _ = end.send(());
    });
    tracing::debug!(%ingest_address, ?public_address, "listening");
    Ok(Running {
        ingest_address,
        public_address,
        stop,
        ended,
        runtime: Some(runtime),
        metrics: counted,
    })
}

/// Folds what the journal holds; what cannot be read leaves it. Time goes on from its last batch.
fn replay(
    store: &dyn Store,
    config: &Config,
    metrics: &Metrics,
    mut state: State,
) -> Result<(State, Clock), StoreError> {
    let mut last = Micros(0);
    let mut count = 0u64;
    let mut unreadable = Vec::new();
    store.replay(&mut |kept| {
        last = last.max(kept.arrived);
        // It was judged when it came: its age does not matter any more.
        match decode::decode(&kept.bytes, &config.limits, 0) {
            Ok(decoded) => {
                count += 1;
                let span = tracing::Span::none();
                state.batch(Arrived {
                    id: kept.id,
                    decoded,
                    arrived: kept.arrived,
                    span,
                    permit: None,
                });
            }
            Err(error) => unreadable.push((kept, error)),
        }
    })?;
    for (kept, error) in unreadable {
        tracing::error!(batch = kept.id.0, %error, "a kept batch cannot be read: set aside");
        match store.set_aside(&kept) {
            Ok(()) => {
                metrics.batches_set_aside.inc();
            }
            // It stays where it is, and harms nobody.
            Err(error) => tracing::error!("{}", sentence(&error)),
        }
    }
    let clock = Clock::going_on_from(last);
    state.replayed(clock);
    if count > 0 {
        tracing::info!(batches = count, "the journal was replayed");
    }
    Ok((state, clock))
}

fn thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<std::thread::JoinHandle<()>, StartError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(StartError::Threads)
}

async fn serve(listener: TcpListener, app: Router, mut stopping: watch::Receiver<bool>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot listen"),
    };
    let mut asked = stopping.clone();
    let ends = async move {
        // An error means that the process ends.
        let _ = asked.wait_for(|stop| *stop).await;
    };
    let serving = axum::serve(listener, app).with_graceful_shutdown(ends);
    let late = async move {
        let _ = stopping.wait_for(|stop| *stop).await;
        tokio::time::sleep(STOP_TIME).await;
    };
    tokio::select! {
        served = serving => if let Err(error) = served {
            tracing::error!(%error, "a listener failed");
        },
        () = late => tracing::warn!("clients did not end in time"),
    }
}
