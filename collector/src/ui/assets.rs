//! The few files that pages load: style sheet, scripts of live rows and of copying, icon.

use std::sync::LazyLock;

/// A file to serve: content type, bytes, entity tag with its quotes.
pub type Asset = (&'static str, &'static [u8], &'static str);

struct File {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const FILES: [File; 4] = [
    File {
        name: "style.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("assets/style.css"),
    },
    File {
        name: "live.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("assets/live.js"),
    },
    File {
        name: "copy.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("assets/copy.js"),
    },
    File {
        name: "icon.svg",
        content_type: "image/svg+xml",
        bytes: include_bytes!("assets/icon.svg"),
    },
];

static TAGS: LazyLock<Vec<String>> =
    LazyLock::new(|| FILES.iter().map(|file| tag(file.bytes)).collect());

/// The file of a name, as in `/assets/NAME`.
pub fn asset(name: &str) -> Option<Asset> {
    let at = FILES.iter().position(|file| file.name == name)?;
    Some((FILES[at].content_type, FILES[at].bytes, TAGS.get(at)?))
}

/// FNV-1a over 64 bits: tells versions of a file apart, no more is asked of it.
fn tag(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("\"{hash:016x}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_types_and_tags_and_other_names_have_nothing() {
        let (content_type, bytes, tag) = asset("style.css").expect("the style sheet");
        assert_eq!(content_type, "text/css; charset=utf-8");
        assert!(!bytes.is_empty() && tag.starts_with('"') && tag.len() == 18);
        assert_ne!(tag, asset("live.js").expect("the script").2);
        assert_eq!(asset("../mod.rs"), None);
    }
}
