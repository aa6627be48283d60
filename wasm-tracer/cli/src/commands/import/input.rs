//! The log as lines, from a file or a pipe, plain or gzip, however long they are.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use flate2::bufread::MultiGzDecoder;

/// Bytes of a line that are kept; no line of the trace is longer.
const LONGEST: usize = 1 << 16;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A log.
pub struct Input {
    name: String,
    lines: Box<dyn BufRead>,
    line: Vec<u8>,
    /// Bytes of the file; None of a pipe.
    size: Option<u64>,
    taken: Rc<Cell<u64>>,
    /// Why it could not be read further.
    stopped: Option<io::Error>,
    /// Lines of which the end was left out.
    pub too_long: u64,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    pub fn open(path: &Path) -> Result<Input> {
        let taken = Rc::new(Cell::new(0));
        let (name, size, bytes): (_, _, Box<dyn Read>) = if path == Path::new("-") {
            ("standard input".to_owned(), None, Box::new(io::stdin()))
        } else {
            let name = path.display().to_string();
            let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
            let about = file.metadata().with_context(|| format!("cannot read {name}"))?;
            if about.is_dir() {
                bail!("{name} is a folder: name the log itself");
            }
            let size = about.is_file().then_some(about.len());
            (name, size, Box::new(file))
        };
        let mut bytes = Counted { bytes, taken: taken.clone() };
        let mut magic = Vec::new();
        bytes
            .by_ref()
            .take(2)
            .read_to_end(&mut magic)
            .with_context(|| format!("cannot read {name}"))?;
        let is_gzip = magic == GZIP;
        let whole = BufReader::with_capacity(LONGEST, io::Cursor::new(magic).chain(bytes));
        let lines: Box<dyn BufRead> = match is_gzip {
            true => Box::new(BufReader::with_capacity(LONGEST, MultiGzDecoder::new(whole))),
            false => Box::new(whole),
        };
        Ok(Input { name, lines, line: Vec::new(), size, taken, stopped: None, too_long: 0 })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it was not read to its end.
    pub fn stopped(&self) -> Option<&io::Error> {
        self.stopped.as_ref()
    }

    /// The next line without its end; what is no UTF-8 is replaced. None at the end, or where it cannot be
    /// read further.
    pub fn line(&mut self) -> Option<String> {
        self.line.clear();
        let (mut any, mut left_out) = (false, false);
        loop {
            let bytes = match self.lines.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.stopped = Some(error);
                    break;
                }
            };
            if bytes.is_empty() {
                break;
            }
            any = true;
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            let room = LONGEST.saturating_sub(self.line.len()).min(piece.len());
            left_out |= room < piece.len();
            self.line.extend_from_slice(&piece[..room]);
            let used = piece.len() + usize::from(end.is_some());
            self.lines.consume(used);
            if end.is_some() {
                break;
            }
        }
        self.too_long += u64::from(left_out);
        any.then(|| String::from_utf8_lossy(&self.line).into_owned())
    }
}

/// Counts what is read.
struct Counted {
    bytes: Box<dyn Read>,
    taken: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(to)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}

/// How far a file is read, on a terminal.
pub struct Progress {
    is_shown: bool,
    last: Instant,
}

impl Progress {
    /// Of a log that is about to be read.
    pub fn of(input: &Input) -> Progress {
        let is_shown = input.size.is_some() && io::stderr().is_terminal();
        Progress { is_shown, last: Instant::now() }
    }

    /// Shows it, if it was not shown a moment ago.
    pub fn show(&mut self, input: &Input) {
        if !self.is_shown || self.last.elapsed() < Duration::from_millis(200) {
            return;
        }
        self.last = Instant::now();
        let (taken, size) = (input.taken.get(), input.size.unwrap_or(0).max(1));
        eprint!("\r{} % of {} MiB read ", taken * 100 / size, size.div_ceil(1 << 20));
    }

    /// Wipes it away.
    pub fn clear(&mut self) {
        if self.is_shown {
            eprint!("\r\u{1b}[K");
        }
    }
}
