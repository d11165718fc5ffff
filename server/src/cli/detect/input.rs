//! Lines of bounded length, from files, standard input and what gzip has packed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// A line without its end.
pub(super) enum Line<'b> {
    Whole(&'b [u8]),
    /// Longer than is read; its text is passed over.
    TooLong,
}

/// The lines of one input.
pub(super) struct Lines {
    reader: Box<dyn BufRead>,
    buffer: Vec<u8>,
}

impl Lines {
    /// Opens a file, or standard input for `-`.
    pub fn open(file: &Path) -> io::Result<Self> {
        if file.as_os_str() == "-" {
            return Self::new(BufReader::with_capacity(BUFFER, io::stdin()));
        }
        let opened = File::open(file)?;
        if opened.metadata()?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        Self::new(BufReader::with_capacity(BUFFER, opened))
    }

    fn new<R: Read + 'static>(mut reader: BufReader<R>) -> io::Result<Self> {
        let is_packed = reader.fill_buf()?.starts_with(&GZIP);
        let reader: Box<dyn BufRead> = if is_packed {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(reader)))
        } else {
            Box::new(reader)
        };
        Ok(Self { reader, buffer: Vec::new() })
    }

    /// The first bytes, which stay to be read.
    pub fn first(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    /// The next line.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        if self.reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(None);
        }
        let is_whole = self.buffer.ends_with(b"\n");
        if !is_whole && u64::try_from(self.buffer.len()).is_ok_and(|length| length >= LONGEST_LINE) {
            self.reader.skip_until(b'\n')?;
            return Ok(Some(Line::TooLong));
        }
        let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        Ok(Some(Line::Whole(line.strip_suffix(b"\r").unwrap_or(line))))
    }
}

const GZIP: [u8; 2] = [0x1f, 0x8b];
const BUFFER: usize = 1 << 17;
const LONGEST_LINE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn lines(bytes: Vec<u8>) -> Vec<Option<String>> {
        let mut lines = Lines::new(BufReader::new(Cursor::new(bytes))).unwrap();
        let mut read = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            read.push(match line {
                Line::Whole(line) => Some(String::from_utf8(line.to_vec()).unwrap()),
                Line::TooLong => None,
            });
        }
        read
    }

    #[test]
    fn lines_end_in_every_way() {
        let of = |text: &str| Some(text.to_owned());
        assert_eq!(lines(b"a\r\n\nb\nc".to_vec()), [of("a"), of(""), of("b"), of("c")]);
        assert!(lines(Vec::new()).is_empty());
    }

    #[test]
    fn a_line_without_end_takes_no_memory_and_the_next_is_read() {
        let mut text = vec![b'x'; 3 << 20];
        text.extend(b"\nnext\n");
        assert_eq!(lines(text), [None, Some("next".to_owned())]);
    }

    #[test]
    fn packed_files_are_unpacked_also_joined_ones() {
        let packed = |text: &str| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let both = [packed("a\n"), packed("b\n")].concat();
        assert_eq!(lines(both), [Some("a".to_owned()), Some("b".to_owned())]);
    }
}
