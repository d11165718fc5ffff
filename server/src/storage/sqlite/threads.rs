//! The writer thread with its group commit, and the reader threads.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use super::super::{Error, Result};
use super::Sync;

/// Opens the file with the settings that every connection needs.
pub(super) fn connect(path: &Path, sync: Sync) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(unavailable)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(unavailable)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(unavailable)?;
    let synchronous = match sync {
        Sync::Normal => "normal",
        Sync::Full => "full",
    };
    connection.pragma_update(None, "synchronous", synchronous).map_err(unavailable)?;
    connection.pragma_update(None, "temp_store", "memory").map_err(unavailable)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Any failure of SQLite, as the rest of the server knows it.
#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
pub(super) fn unavailable(error: rusqlite::Error) -> Error {
    Error::Unavailable(error.to_string())
}

/// The one thread that writes.
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

type Answer = Box<dyn FnOnce(Result<()>) + Send>;
type Job = Box<dyn FnOnce(&Connection) -> rusqlite::Result<Answer> + Send>;

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self> {
        let (jobs, waiting) = channel::<Job>();
        let thread = spawn("storage-writer", move || write_groups(&connection, &waiting))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs the work inside the group's transaction and answers after its commit. The work returns an outer
    /// error only for a fault of the database, which fails the whole group; a refusal (the inner error) must
    /// not have written anything.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let outcome = work(connection)?;
            let finish: Answer = Box::new(move |committed| {
                // A caller that went away does not need its answer.
                let _ = answer.send(committed.and(outcome));
            });
            Ok(finish)
        });
        let jobs = self.jobs.as_ref().ok_or_else(closed)?;
        jobs.send(job).map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }
}

impl Drop for Writer {
    /// Waits until everything that was handed over is committed.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_groups(connection: &Connection, waiting: &Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        if let Err(error) = write_group(connection, first, waiting) {
            tracing::error!(%error, "a group of writes was rolled back");
            if !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err() {
                tracing::error!("a failed transaction could not be rolled back");
            }
        }
    }
}

/// Answers are dropped unsent when the group fails, which tells each caller that storage is not available.
fn write_group(connection: &Connection, first: Job, waiting: &Receiver<Job>) -> rusqlite::Result<()> {
    let started = Instant::now();
    let mut answers = Vec::new();
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut next = Some(first);
    while let Some(job) = next {
        answers.push(job(connection)?);
        let has_time = started.elapsed() < GROUP_TIME && answers.len() < GROUP_SIZE;
        next = if has_time { waiting.try_recv().ok() } else { None };
    }
    connection.execute_batch("COMMIT")?;
    for answer in answers {
        answer(Ok(()));
    }
    Ok(())
}

/// Threads that read, each on its own connection.
pub(super) struct Reader {
    jobs: Option<Sender<Read>>,
    threads: Vec<JoinHandle<()>>,
}

type Read = Box<dyn FnOnce(&Connection) + Send>;

impl Reader {
    pub(super) fn start(connections: Vec<Connection>) -> Result<Self> {
        let (jobs, waiting) = channel::<Read>();
        let waiting = Arc::new(Mutex::new(waiting));
        let start = |connection: Connection| {
            let waiting = Arc::clone(&waiting);
            spawn("storage-reader", move || read_all(&connection, &waiting))
        };
        let threads = connections.into_iter().map(start).collect::<Result<Vec<_>>>()?;
        Ok(Self { jobs: Some(jobs), threads })
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job: Read = Box::new(move |connection| {
            // A caller that went away does not need its answer.
            if !answer.is_closed() {
                let _ = answer.send(work(connection).map_err(unavailable));
            }
        });
        let jobs = self.jobs.as_ref().ok_or_else(closed)?;
        jobs.send(job).map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.jobs.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn read_all(connection: &Connection, waiting: &Mutex<Receiver<Read>>) {
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(connection),
            Err(_) => return,
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| Error::Unavailable(format!("no thread for storage: {error}")))
}

fn closed() -> Error {
    Error::Unavailable("the storage thread gave no answer".to_owned())
}

/// A transaction takes in waiting writes for so long, and so many.
const GROUP_TIME: Duration = Duration::from_millis(5);
const GROUP_SIZE: usize = 512;
