//! From a configuration to a listening server, and back down in order.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::app::{App, Clock, Entropy};
use crate::config::{Config, ConfigError};
use crate::keys::KeyRing;
use crate::keys::master::MasterSecret;
use crate::mail::Mailer;
use crate::outbound::Outbound;
use crate::storage::Storage;
use crate::storage::memory::Memory;
use crate::storage::sqlite::Sqlite;
use crate::{botcha, connections, jobs, router};

/// Why the server did not start or ended early; the message says what to do.
pub type StartError = ConfigError;

/// Opens everything that an application needs: folder, secret, database, keys, and the internal records.
///
/// # Errors
/// One line that names what cannot be opened and what to do about it.
pub async fn open(config: Config) -> Result<App, StartError> {
    let clock = Clock::System;
    let entropy = Entropy::System;
    let needs_folder = config.keys.master_secret.is_none() || database(&config).is_some();
    if needs_folder {
        create_folder(&config.data)?;
    }
    let master = match &config.keys.master_secret {
        Some(text) => MasterSecret::from_hex(text)?,
        None => MasterSecret::load_or_create(&config.data.join("master.secret"), &entropy)?,
    };
    let storage = open_storage(&config, clock.clone())?;
    prepare(config, storage, master, clock, entropy).await
}

/// Makes an application of opened parts: loads or creates the keys and the internal records.
///
/// # Errors
/// If a configured or stored key cannot be used, or storage does not answer.
pub async fn prepare(
    config: Config,
    storage: Storage,
    master: MasterSecret,
    clock: Clock,
    entropy: Entropy,
) -> Result<App, StartError> {
    let keys = KeyRing::load(&config, &storage, master, &entropy, clock.clone()).await?;
    let outbound = Outbound::new(&config.outbound)?;
    let mail = Mailer::new(&config)?;
    let app = App::new(config, storage, keys, outbound, mail, clock, entropy);
    botcha::prepare(&app).await.map_err(|error| ConfigError(format!("storage is not usable: {error}")))?;
    Ok(app)
}

/// Listens, calls `started` with the address, and serves until a stop signal; then finishes what is running
/// and saves what is waiting.
///
/// # Errors
/// One line if the address cannot be listened on.
pub async fn run(app: App, started: impl FnOnce(SocketAddr)) -> Result<(), StartError> {
    let wanted = app.config.listen;
    let listener = TcpListener::bind(wanted).await.map_err(|error| refused(wanted, &error))?;
    let address = listener.local_addr().map_err(|error| refused(wanted, &error))?;
    jobs::start(&app);
    let service = router::router(&app);
    let bounds = connections::Bounds::new(app.config.limits.connections);
    started(address);
    let patience = Duration::from_secs(app.config.shutdown_timeout_seconds);
    let stopping = app.clone();
    let (stopped, has_stopped) = tokio::sync::oneshot::channel();
    let served = connections::serve(listener, service, bounds, async move {
        stop_signal().await;
        tracing::info!("stopping: no new requests, waiting for those that run");
        stopping.is_accepting.store(false, Ordering::SeqCst);
        let _ = stopped.send(());
    });
    let overdue = async {
        // The signal is the only way in which the channel ends while serving goes on.
        let _ = has_stopped.await;
        tokio::time::sleep(patience).await;
    };
    tokio::select! {
        () = served => {}
        () = overdue => tracing::warn!("requests that still run are cut off"),
    }
    app.jobs.stop(patience).await;
    tracing::info!("stopped");
    Ok(())
}

fn open_storage(config: &Config, clock: Clock) -> Result<Storage, StartError> {
    let memory = Arc::new(Memory::new(config.storage.memory_rows));
    let durable = match database(config) {
        None => Sqlite::in_memory().map_err(|error| ConfigError(error.to_string()))?,
        Some(path) => {
            let path = path?;
            Sqlite::open(&path, config.storage.sync, config.storage.read_threads)
                .map_err(|error| ConfigError(format!("database {}: {error}", path.display())))?
        }
    };
    Ok(Storage::new(Arc::new(durable), memory, clock))
}

/// The database file; nothing for a database in memory.
fn database(config: &Config) -> Option<Result<std::path::PathBuf, StartError>> {
    match config.storage.url.as_deref() {
        None => Some(Ok(config.data.join("quivive.db"))),
        Some("sqlite::memory:") => None,
        Some(url) => Some(url.strip_prefix("sqlite:").map(Into::into).ok_or_else(|| {
            ConfigError(
                "`storage.url` must begin with `sqlite:`; other engines are not supported yet".to_owned(),
            )
        })),
    }
}

fn create_folder(folder: &Path) -> Result<(), StartError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        ConfigError(format!(
            "data folder {}: {error}; name another one with --data or `data` in the configuration",
            folder.display()
        ))
    })
}

fn refused(address: SocketAddr, error: &std::io::Error) -> StartError {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => "another program listens there; stop it or choose another with --listen",
        ErrorKind::PermissionDenied => "ports below 1024 need special rights; choose another with --listen",
        ErrorKind::AddrNotAvailable => "this machine has no such address; choose another with --listen",
        _ => "choose another with --listen",
    };
    ConfigError(format!("cannot listen on {address}: {error}; {advice}"))
}

async fn stop_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
