//! Archives that depend on nothing but what is put into them: sorted, of nobody, all of one time.

use std::io::Write;

use flate2::{Compression, GzBuilder};

/// Something in an archive.
#[derive(Clone)]
pub struct Entry {
    path: String,
    /// None: a folder.
    bytes: Option<Vec<u8>>,
    mode: u32,
}

impl Entry {
    pub fn file(path: &str, bytes: Vec<u8>) -> Self {
        Self { path: path.to_owned(), bytes: Some(bytes), mode: 0o644 }
    }

    pub fn program(path: &str, bytes: Vec<u8>) -> Self {
        Self { mode: 0o755, ..Self::file(path, bytes) }
    }

    pub fn folder(path: &str) -> Self {
        Self { path: path.to_owned(), bytes: None, mode: 0o755 }
    }

    /// The same in a folder.
    pub fn below(self, folder: &str) -> Self {
        Self { path: format!("{folder}/{}", self.path), ..self }
    }
}

/// `seconds`: when all of it was last changed.
pub fn tar_gz(mut entries: Vec<Entry>, seconds: u64) -> anyhow::Result<Vec<u8>> {
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let mut tar = tar::Builder::new(Vec::new());
    for entry in &entries {
        let bytes = entry.bytes.as_deref().unwrap_or_default();
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(match entry.bytes {
            Some(_) => tar::EntryType::Regular,
            None => tar::EntryType::Directory,
        });
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(seconds);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, &entry.path, bytes)?;
    }
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::default());
    gzip.write_all(&tar.into_inner()?)?;
    Ok(gzip.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::{Entry, tar_gz};

    fn entries() -> Vec<Entry> {
        vec![
            Entry::program("tool", vec![1; 700]).below("b"),
            Entry::folder("empty"),
            Entry::file("a.txt", b"text".to_vec()),
        ]
    }

    #[test]
    fn what_was_put_in_comes_out_in_order_of_nobody_and_of_the_time_that_was_said() {
        let packed = tar_gz(entries(), 1_700_000_000).expect("packed");
        let mut tar = tar::Archive::new(GzDecoder::new(packed.as_slice()));
        let mut seen = Vec::new();
        for entry in tar.entries().expect("a tar") {
            let mut entry = entry.expect("an entry");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("whole");
            let header = entry.header();
            assert_eq!(header.mtime().ok(), Some(1_700_000_000));
            assert_eq!((header.uid().ok(), header.gid().ok()), (Some(0), Some(0)));
            let path = entry.path().expect("a path").to_string_lossy().into_owned();
            seen.push((path, bytes.len(), entry.header().mode().expect("a mode")));
        }
        let expected = [("a.txt", 4, 0o644), ("b/tool", 700, 0o755), ("empty", 0, 0o755)];
        assert_eq!(seen, expected.map(|(path, size, mode)| (path.to_owned(), size, mode)));
    }

    #[test]
    fn the_order_in_which_things_come_does_not_matter() {
        let reversed = entries().into_iter().rev().collect();
        assert!(tar_gz(entries(), 7).ok() == tar_gz(reversed, 7).ok());
        assert!(tar_gz(entries(), 7).ok() != tar_gz(entries(), 8).ok());
    }
}
