//! Tables fitted without a part of the data; kept between runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use quivive_core::score::motion::Model;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::traces::FOLDS;

/// What is printed of the features for the trainer: also the first seconds, and made-up tools.
const FEATURES: [&str; 3] = ["--prefix", "2,5,10,20", "--synthetic"];

/// Where the trainer lies and how it is called.
#[derive(Clone, Debug)]
pub struct Trainer {
    /// A Python with the trainer's requirements.
    pub python: PathBuf,
    /// The folder of `train.py`.
    pub folder: PathBuf,
    /// The program that prints the features of a folder of data.
    pub features: PathBuf,
    /// Where tables are kept.
    pub kept: PathBuf,
}

/// What a table was fitted without: people and traces of one fold, and generators.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Excluded {
    fold: u32,
    generators: Vec<String>,
}

impl Excluded {
    fn name(&self) -> String {
        let generators = self.generators.iter().map(|name| format!(" without {name}"));
        format!("fold {}{}", self.fold, generators.collect::<String>())
    }

    fn file(&self) -> String {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
        format!("{}.json", self.name().chars().map(plain).collect::<String>())
    }
}

/// Fitted tables by what they were fitted without.
#[derive(Debug, Default)]
pub struct Refits {
    tables: BTreeMap<Excluded, Model>,
    /// The generators that were left out together.
    sets: Vec<Vec<String>>,
}

impl Refits {
    /// The tables without each fold and, for leaving generators out, also without each of the generators. Pointer
    /// and keys have tables of their own, so one refit leaves out one generator of each.
    ///
    /// # Errors
    /// When the trainer fails.
    pub fn fit(trainer: &Trainer, data: &Path, [pointer, keys]: [&[String]; 2]) -> Result<Self, String> {
        let sets: Vec<Vec<String>> = (0..pointer.len().max(keys.len()))
            .map(|index| pointer.get(index).into_iter().chain(keys.get(index)).cloned().collect())
            .collect();
        let folder = trainer.prepare(data)?;
        let without = |fold: u32, sets: &[Vec<String>]| -> Vec<Excluded> {
            sets.iter().map(|generators| Excluded { fold, generators: generators.clone() }).collect()
        };
        let by_fold = (0..FOLDS).map(|fold| Plan { tables: without(fold, &[Vec::new()]), calibration: None });
        // Calibration needs fits of its own; for a table without a generator that of its fold is good enough.
        let by_generator = (0..FOLDS).map(|fold| Plan {
            tables: without(fold, &sets),
            calibration: Some(Excluded { fold, generators: Vec::new() }),
        });
        let stages: [Vec<Plan>; 2] = [by_fold.collect(), by_generator.collect()];
        trainer.fit_missing(&folder, &stages)?;
        let tables = stages.into_iter().flatten().flat_map(|plan| plan.tables).map(|excluded| {
            let path = folder.join(excluded.file());
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let model = Model::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok((excluded, model))
        });
        Ok(Self { tables: tables.collect::<Result<_, String>>()?, sets })
    }

    /// The table that was fitted without a fold.
    ///
    /// # Errors
    /// When none was asked for.
    pub fn without_fold(&self, fold: u32) -> Result<&Model, String> {
        self.table(&Excluded { fold, generators: Vec::new() })
    }

    /// The table that was fitted without a fold and a generator.
    ///
    /// # Errors
    /// When none was asked for.
    pub fn without_generator(&self, fold: u32, generator: &str) -> Result<&Model, String> {
        let set = self.sets.iter().find(|set| set.iter().any(|name| name == generator));
        self.table(&Excluded { fold, generators: set.cloned().unwrap_or_default() })
    }

    fn table(&self, excluded: &Excluded) -> Result<&Model, String> {
        self.tables.get(excluded).ok_or_else(|| format!("no table was fitted for {}", excluded.name()))
    }
}

/// Tables that one process of the trainer fits.
#[derive(Clone, Debug)]
struct Plan {
    tables: Vec<Excluded>,
    /// The table whose calibration these take.
    calibration: Option<Excluded>,
}

/// How far the fitting is, for whoever waits.
struct Progress {
    begun: Instant,
    all: usize,
    done: AtomicUsize,
}

impl Progress {
    fn add(&self, excluded: &Excluded) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let left = self.begun.elapsed() / done as u32 * (self.all - done) as u32;
        eprintln!(
            "table {done} of {} fitted ({}), about {}:{:02} left",
            self.all,
            excluded.name(),
            left.as_secs() / 60,
            left.as_secs() % 60
        );
    }
}

impl Trainer {
    /// Writes the features of the data; gives the folder for what the same features and trainer fit.
    fn prepare(&self, data: &Path) -> Result<PathBuf, String> {
        let output = Command::new(&self.features)
            .arg("--data")
            .arg(data)
            .args(FEATURES)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("{}: {error}", self.features.display()))?;
        if !output.status.success() {
            return Err(format!("{} failed ({})", self.features.display(), output.status));
        }
        let mut digest = Sha256::new_with_prefix(&output.stdout);
        for path in self.sources().map_err(|error| format!("{}: {error}", self.folder.display()))? {
            digest.update(fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?);
        }
        let hash: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let folder = self.kept.join(hash);
        let write = || {
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("features.jsonl"), &output.stdout)
        };
        write().map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(folder)
    }

    /// What the trainer consists of, in order of names.
    fn sources(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        files.retain(|path| path.extension().is_some_and(|ending| ending == "py" || ending == "txt"));
        files.sort();
        Ok(files)
    }

    /// Fits the tables that are not kept yet, stage by stage, one process on each core.
    fn fit_missing(&self, folder: &Path, stages: &[Vec<Plan>]) -> Result<(), String> {
        let missing = |plan: &Plan| Plan {
            tables: plan.tables.iter().filter(|table| !folder.join(table.file()).exists()).cloned().collect(),
            calibration: plan.calibration.clone(),
        };
        let stages: Vec<Vec<Plan>> = stages
            .iter()
            .map(|plans| plans.iter().map(missing).filter(|plan| !plan.tables.is_empty()).collect())
            .collect();
        let all = stages.iter().flatten().map(|plan| plan.tables.len()).sum();
        eprintln!("{all} tables to fit; fitted ones are kept in {}", folder.display());
        let progress = Progress { begun: Instant::now(), all, done: AtomicUsize::new(0) };
        let workers = thread::available_parallelism().map_or(1, usize::from);
        for plans in &stages {
            let next = AtomicUsize::new(0);
            let work = || -> Result<(), String> {
                while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
                    self.fit(folder, plan, &progress)?;
                }
                Ok(())
            };
            thread::scope(|scope| {
                let workers: Vec<_> = (0..workers.min(plans.len())).map(|_| scope.spawn(work)).collect();
                workers
                    .into_iter()
                    .try_for_each(|worker| worker.join().map_err(|_| "a worker panicked".to_owned())?)
            })?;
        }
        Ok(())
    }

    fn fit(&self, folder: &Path, plan: &Plan, progress: &Progress) -> Result<(), String> {
        let named = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
        let Some(first) = plan.tables.first() else {
            return Ok(());
        };
        let file = folder.join(first.file()).with_extension("plan");
        let unfinished = |table: &Excluded| folder.join(table.file()).with_extension("unfinished");
        let lines = plan.tables.iter().map(|table| {
            let line = json!({
                "out": unfinished(table), "exclude_fold": [table.fold], "exclude_generator": table.generators,
            });
            format!("{line}\n")
        });
        fs::write(&file, lines.collect::<String>()).map_err(|error| named(&file, error))?;
        let mut command = Command::new(&self.python);
        command.arg(self.folder.join("train.py")).arg("--features").arg(folder.join("features.jsonl"));
        command.arg("--plan").arg(&file);
        if let Some(calibration) = &plan.calibration {
            command.arg("--calibration").arg(folder.join(calibration.file()));
        }
        let mut child = command.stdout(Stdio::null()).spawn().map_err(|error| named(&self.python, error))?;
        // A table counts once the next one has begun or the trainer has ended: a run that is broken off leaves no
        // half table behind.
        let finish = |table: &Excluded| -> Result<(), String> {
            let (from, to) = (unfinished(table), folder.join(table.file()));
            fs::rename(&from, &to).map_err(|error| named(&from, error))?;
            progress.add(table);
            Ok(())
        };
        let mut tables = plan.tables.iter();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(|error| named(&self.python, error))? {
                break status;
            }
            let mut ahead = tables.clone().skip(1);
            if ahead.next().is_some_and(|next| unfinished(next).exists())
                && let Some(table) = tables.next()
            {
                finish(table)?;
                continue;
            }
            thread::sleep(Duration::from_millis(200));
        };
        if !status.success() {
            return Err(format!("the trainer failed ({status}) for {}", first.name()));
        }
        tables.try_for_each(finish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_what_was_left_out() {
        let excluded = Excluded { fold: 2, generators: vec!["a/../b".to_owned(), "c".to_owned()] };
        assert_eq!(excluded.file(), "fold_2_without_a____b_without_c.json");
    }

    #[test]
    fn a_table_that_was_not_fitted_is_an_error() {
        let refits = Refits::default();
        assert!(refits.without_fold(0).is_err());
        assert!(refits.without_generator(0, "tool").is_err());
    }
}
