//! One more export in a compiled module's bytes: a global that no test could read otherwise.

/// Id of the export section, and the kind of a global in it.
const EXPORTS: u8 = 7;
const GLOBAL: u8 = 3;

/// The module with this global exported under this name. `None`: not a module with exports.
pub(crate) fn with_global(wasm: &[u8], name: &str, global: u32) -> Option<Vec<u8>> {
    let mut out = wasm.get(..8)?.to_vec();
    let mut at = 8;
    let mut found = false;
    while at < wasm.len() {
        let id = wasm[at];
        let (size, body) = number(wasm, at + 1)?;
        let end = body + size as usize;
        if id == EXPORTS {
            let (count, entries) = number(wasm, body)?;
            let mut section = leb(count + 1);
            section.extend(wasm.get(entries..end)?);
            section.extend(leb(name.len() as u32));
            section.extend(name.as_bytes());
            section.push(GLOBAL);
            section.extend(leb(global));
            out.push(id);
            out.extend(leb(section.len() as u32));
            out.extend(section);
            found = true;
        } else {
            out.extend(wasm.get(at..end)?);
        }
        at = end;
    }
    found.then_some(out)
}

/// An unsigned LEB128 number and where it ends.
fn number(bytes: &[u8], mut at: usize) -> Option<(u32, usize)> {
    let (mut value, mut shift) = (0u32, 0);
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        value |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some((value, at));
        }
        shift += 7;
    }
}

fn leb(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}
