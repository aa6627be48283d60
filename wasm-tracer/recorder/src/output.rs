//! Standard output and error, joined to lines; and what a black box needs of them.

use abi::Hostcall;
use proto::fields::mark;

use crate::Recorder;
use crate::bytes::{Text, u32_at};
use crate::host::Host;
use crate::hostcalls::Read;
use crate::streams::flag;

/// Bytes of log lines kept of a stream, and of a root between two shipments.
const LOG_BYTES: u16 = 1024;
const ROOT_LOG_BYTES: u16 = 4096;
/// Level of a line that tells of an error.
pub const ERROR: u32 = 4;
/// Bytes looked at in one `fd_write`.
const MOST: u32 = 4096;

/// The two unfinished lines and the last output.
pub struct Output {
    lines: [Text<256>; 2],
    /// Something may be in them.
    unfinished: bool,
    /// The end of what was written to either, and of the log lines at the level.
    pub last: Text<1024>,
}

impl Output {
    pub const EMPTY: Output =
        Output { lines: [Text::EMPTY; 2], unfinished: false, last: Text::EMPTY };
}

impl Recorder {
    /// `fd_write` of the plugin: output counts as info, error output as error.
    pub(crate) fn standard_output(
        &mut self,
        fd: u32,
        vectors: u32,
        count: u32,
        host: &mut impl Host,
    ) {
        if fd != 1 && fd != 2 {
            return;
        }
        self.output.unfinished = true;
        let mut left = MOST;
        for vector in 0..count.min(64) {
            let mut pair = [0; 8];
            if !host.read(&mut pair, vectors.wrapping_add(vector * 8)) {
                return;
            }
            let mut at = u32_at(&pair, 0).unwrap_or(0);
            let whole = u32_at(&pair, 4).unwrap_or(0);
            let mut size = whole.min(left);
            if size < whole {
                self.drop_log_line();
            }
            left = left.saturating_sub(size);
            while size > 0 {
                let mut piece = [0; 64];
                let take = size.min(64);
                let Some(piece) = piece.get_mut(..take as usize) else { return };
                if !host.read(piece, at) {
                    return;
                }
                self.output.last.push_keeping_end(piece);
                for byte in piece.iter() {
                    self.output_byte(fd, *byte, host);
                }
                at = at.wrapping_add(take);
                size = size.saturating_sub(take);
            }
        }
    }

    fn output_byte(&mut self, fd: u32, byte: u8, host: &mut impl Host) {
        let Some(line) = self.output.lines.get_mut(fd.wrapping_sub(1) as usize) else { return };
        if byte != b'\n' {
            line.push(&[byte]);
            if !line.is_full() {
                return;
            }
        }
        let whole = *line;
        *line = Text::EMPTY;
        let level = if fd == 1 { 2 } else { 4 };
        if whole.is_empty() || (level < self.settings.log_level && !self.settings.all_hostcalls) {
            return;
        }
        let length = crate::bytes::copy(&mut self.scratch, whole.get());
        self.suspect_panic(length, host);
        if let Some(text) = self.may_log(length as u16) {
            self.write_hostcall(Hostcall::FdWrite.number(), 0, &[fd], 0, text, host);
        }
    }

    /// The open invocation ends, or traps: what it left unfinished is its own, not the next one's.
    pub(crate) fn finish_output(&mut self, host: &mut impl Host) {
        if !self.output.unfinished {
            return;
        }
        self.output.unfinished = false;
        for fd in [1, 2] {
            self.output_byte(fd, b'\n', host);
        }
    }

    /// How much of a line of this size the open invocation's context may still log; counts it, or the
    /// line as dropped. The first line beyond is kept as far as there is room, perhaps empty, so that
    /// its mark says that others may follow.
    pub(crate) fn may_log(&mut self, size: u16) -> Option<Read> {
        let frame = self.top().copied().filter(|frame| frame.keeper.keeps())?;
        let (used, most) = if let Some(stream) = self.streams.get(frame.effective) {
            (&mut stream.log_bytes, LOG_BYTES)
        } else if let Some(root) = self.roots.get(frame.effective) {
            (&mut root.log_bytes, ROOT_LOG_BYTES)
        } else {
            self.drop_log_line();
            return None;
        };
        if *used > most {
            self.drop_log_line();
            return None;
        }
        let room = most - *used;
        *used = used.saturating_add(size);
        let marks = if size > room { mark::TEXT_CUT } else { 0 };
        Some(Read { length: usize::from(size.min(room)), marks })
    }

    /// A log line, which lies in the scratch memory, is among the last words.
    pub(crate) fn remember_words(&mut self, length: usize) {
        let line = self.scratch.get(..length).unwrap_or(&[]);
        self.output.last.push_keeping_end(line);
        self.output.last.push_keeping_end(b"\n");
    }

    fn drop_log_line(&mut self) {
        self.counters.log_lines_dropped = self.counters.log_lines_dropped.saturating_add(1);
    }

    /// A line that speaks of a panic makes its stream interesting. It lies in the scratch memory.
    pub(crate) fn suspect_panic(&mut self, length: usize, host: &mut impl Host) {
        let line = self.scratch.get(..length).unwrap_or(&[]);
        if !line.windows(5).any(|word| word == b"panic") {
            return;
        }
        let Some(effective) = self.top().map(|frame| frame.effective) else { return };
        if let Some(stream) = self.streams.get(effective) {
            stream.flags |= flag::SUSPICION;
            self.promote(effective, host);
        }
    }
}
