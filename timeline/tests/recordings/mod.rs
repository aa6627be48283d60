//! The recordings: a file each, what was found in comments before the script.

/// Name and text of every recording.
pub fn all() -> Vec<(String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let files = std::fs::read_dir(folder).expect("the folder of the recordings");
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        let file = file.expect("a recording");
        let text = std::fs::read_to_string(file.path()).expect("its text");
        (file.file_name().to_string_lossy().into_owned(), text)
    };
    let mut all: Vec<_> = files.map(read).collect();
    all.sort();
    all
}

/// `severity code` of every finding, headline first.
#[allow(dead_code, reason = "not every test compares it")]
pub fn expected(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix("// ")).map(str::to_owned).collect()
}
