//! Sizes of the files, as stored and as sent.

use std::{fmt, fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};

use crate::{Error, Result};

/// One file's size in bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileSize {
    /// The file's name without its folder.
    pub name: String,
    /// Bytes as stored.
    pub raw: usize,
    /// Bytes after gzip at its best level.
    pub gzip: usize,
}

impl fmt::Display for FileSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:<18} {:>9} bytes {:>9} gzip", self.name, self.raw, self.gzip)
    }
}

/// Measures one file.
///
/// # Errors
/// When the file cannot be read.
pub fn measure(path: &Path) -> Result<FileSize> {
    let bytes = fs::read(path).map_err(Error::file(path))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes).map_err(Error::file(path))?;
    let gzip = encoder.finish().map_err(Error::file(path))?.len();
    Ok(FileSize { name, raw: bytes.len(), gzip })
}
