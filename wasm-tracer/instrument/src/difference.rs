//! Where two modules first differ, in the words of the text format: a section, an index in it, a name.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use wasmparser::{
    BinaryReader, FromReader, Name, NameSectionReader, Parser, Payload, SectionLimited,
};

use crate::Refusal;
use crate::module::{Module, is_function};

/// The first difference between two modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs: `function 812 ($on_request_body)`, `export "memory"`, `custom section "name"`.
    pub place: String,
    /// How the first module differs from the second there.
    pub how: How,
}

/// How one module differs from another at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Both have it, with other bytes.
    Other,
    /// Only the first has it.
    Extra,
    /// Only the second has it.
    Missing,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            How::Other => "is another",
            How::Extra => "is there and should not be",
            How::Missing => "is not there",
        };
        write!(f, "{} {how}", self.place)
    }
}

/// One item of a section.
struct Item {
    section: &'static str,
    index: u32,
    bytes: Range<usize>,
}

/// Finds where `actual` first differs from `expected`; `None` if they are the same bytes.
pub(crate) fn first(actual: &[u8], expected: &[u8]) -> Result<Option<Difference>, Refusal> {
    if actual == expected {
        return Ok(None);
    }
    let (have, want) = (items(actual)?, items(expected)?);
    for (one, other) in have.iter().zip(&want) {
        let (module, item, how) = match one.order().cmp(&other.order()) {
            // A section of the longer module goes on where the other's has ended.
            Ordering::Less => (actual, one, How::Extra),
            Ordering::Greater => (expected, other, How::Missing),
            Ordering::Equal if actual[one.bytes.clone()] == expected[other.bytes.clone()] => {
                continue;
            }
            Ordering::Equal => (actual, one, How::Other),
        };
        return Ok(Some(Difference { place: item.place(module)?, how }));
    }
    let (place, how) = match (have.get(want.len()), want.get(have.len())) {
        (Some(extra), _) => (extra.place(actual)?, How::Extra),
        (_, Some(missing)) => (missing.place(expected)?, How::Missing),
        (None, None) => {
            let same = actual.iter().zip(expected).take_while(|(one, other)| one == other);
            (format!("the framing of sections at byte {}", same.count()), How::Other)
        }
    };
    Ok(Some(Difference { place, how }))
}

/// Sections in the order of the binary format; custom ones stand last, where we put them.
const SECTIONS: [&str; 14] = [
    "type",
    "import",
    "type of function",
    "table",
    "memory",
    "tag",
    "global",
    "export",
    "start section",
    "element segment",
    "data count",
    "function",
    "data segment",
    "custom section",
];

impl Item {
    /// Where it stands, whatever the order in which custom sections came.
    fn order(&self) -> (usize, u32) {
        let section = SECTIONS.iter().position(|name| *name == self.section);
        (section.unwrap_or(SECTIONS.len()), self.index)
    }

    /// What a reader of the module calls it.
    fn place(&self, module: &[u8]) -> Result<String, Refusal> {
        let Item { section, index, .. } = *self;
        let module = Module::parse(module)?;
        let named = |name: &str| format!("{section} {name:?}");
        let imported = module.imported_functions.len() as u32;
        Ok(match section {
            "import" => match module.imports.get(index as usize) {
                Some(import) => named(&format!("{}.{}", import.module, import.name)),
                None => format!("import {index}"),
            },
            "export" => match module.exports.get(index as usize) {
                Some(export) => named(export.name),
                None => format!("export {index}"),
            },
            "custom section" => match module.customs.get(index as usize) {
                Some(custom) => named(custom.name()),
                None => format!("custom section {index}"),
            },
            "function" | "type of function" => match name(&module, imported + index) {
                Some(name) => format!("{section} {} ({name})", imported + index),
                None => format!("{section} {}", imported + index),
            },
            "start section" | "data count" => section.to_owned(),
            _ => format!("{section} {index}"),
        })
    }
}

/// A function's name in the name section, or else one that it is exported under.
fn name<'a>(module: &Module<'a>, function: u32) -> Option<&'a str> {
    let section = module.custom("name").map_or(&[][..], |section| section.data());
    let reader = NameSectionReader::new(BinaryReader::new(section, 0));
    let named = reader.into_iter().map_while(Result::ok).find_map(|subsection| match subsection {
        Name::Function(map) => {
            let mut names = map.into_iter().map_while(Result::ok);
            names.find(|naming| naming.index == function).map(|naming| naming.name)
        }
        _ => None,
    });
    named.or_else(|| {
        let mut exports = module.exports.iter();
        exports.find(|e| is_function(e.kind) && e.index == function).map(|export| export.name)
    })
}

/// All items of a module, in order.
fn items(module: &[u8]) -> Result<Vec<Item>, Refusal> {
    let mut items = Vec::new();
    let (mut bodies, mut customs) = (0, 0);
    for payload in Parser::new(0).parse_all(module) {
        let one = |section, index, bytes: Range<u64>| Item {
            section,
            index,
            bytes: bytes.start as usize..bytes.end as usize,
        };
        match payload? {
            Payload::TypeSection(section) => split(&mut items, "type", section)?,
            Payload::ImportSection(section) => split(&mut items, "import", section)?,
            Payload::FunctionSection(section) => split(&mut items, "type of function", section)?,
            Payload::TableSection(section) => split(&mut items, "table", section)?,
            Payload::MemorySection(section) => split(&mut items, "memory", section)?,
            Payload::TagSection(section) => split(&mut items, "tag", section)?,
            Payload::GlobalSection(section) => split(&mut items, "global", section)?,
            Payload::ExportSection(section) => split(&mut items, "export", section)?,
            Payload::StartSection { range, .. } => items.push(one("start section", 0, range)),
            Payload::ElementSection(section) => split(&mut items, "element segment", section)?,
            Payload::DataCountSection { range, .. } => items.push(one("data count", 0, range)),
            Payload::CodeSectionEntry(body) => {
                items.push(one("function", bodies, body.range()));
                bodies += 1;
            }
            Payload::DataSection(section) => split(&mut items, "data segment", section)?,
            Payload::CustomSection(section) => {
                items.push(one("custom section", customs, section.range()));
                customs += 1;
            }
            _ => {}
        }
    }
    items.sort_by_key(Item::order);
    Ok(items)
}

/// Adds the items of a section: each ends where the next begins.
fn split<'a, T: FromReader<'a>>(
    items: &mut Vec<Item>,
    name: &'static str,
    section: SectionLimited<'a, T>,
) -> Result<(), Refusal> {
    let end = section.range().end as usize;
    let first = items.len();
    for (index, item) in (0..).zip(section.into_iter_with_offsets()) {
        let (start, _) = item?;
        let start = start as usize;
        if let Some(before) = items[first..].last_mut() {
            before.bytes.end = start;
        }
        items.push(Item { section: name, index, bytes: start..end });
    }
    Ok(())
}
