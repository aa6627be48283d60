//! Header maps, and how they cross the border (proxy-wasm spec, "serialized pairs").

/// A header map: names and values in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, Vec<u8>)>);

impl Headers {
    /// From names and values.
    pub fn of(pairs: &[(&str, &str)]) -> Headers {
        Headers(pairs.iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect())
    }

    /// The values of a name, joined with commas as Envoy does.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        let values: Vec<&[u8]> =
            self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_slice()).collect();
        (!values.is_empty()).then(|| values.join(&b","[..]))
    }

    /// A value as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|v| String::from_utf8_lossy(&v).into_owned())
    }

    /// Adds a value.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        self.0.push((name.to_ascii_lowercase(), value.to_vec()));
    }

    /// Puts one value in place of all of a name.
    pub fn replace(&mut self, name: &str, value: &[u8]) {
        match self.0.iter().position(|(n, _)| n == name) {
            Some(at) => {
                self.0[at].1 = value.to_vec();
                let mut seen = false;
                self.0.retain(|(n, _)| n != name || !std::mem::replace(&mut seen, true));
            }
            None => self.add(name, value),
        }
    }

    /// Removes a name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| n != name);
    }

    /// Bytes of names and values.
    pub fn byte_size(&self) -> usize {
        self.0.iter().map(|(n, v)| n.len() + v.len()).sum()
    }

    /// The ABI's form: count, sizes, then names and values, each with a NUL behind it.
    pub fn to_pairs(&self) -> Vec<u8> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut out = (self.0.len() as u32).to_le_bytes().to_vec();
        for (name, value) in &self.0 {
            out.extend((name.len() as u32).to_le_bytes());
            out.extend((value.len() as u32).to_le_bytes());
        }
        for (name, value) in &self.0 {
            out.extend(name.as_bytes());
            out.push(0);
            out.extend(value);
            out.push(0);
        }
        out
    }

    /// Reads the ABI's form; `None` if it is cut or inconsistent.
    pub fn from_pairs(bytes: &[u8]) -> Option<Headers> {
        if bytes.is_empty() {
            return Some(Headers::default());
        }
        let word = |at: usize| {
            let word = bytes.get(at..at + 4)?;
            Some(u32::from_le_bytes(word.try_into().ok()?) as usize)
        };
        let count = word(0)?;
        let mut at = 4 + count.checked_mul(8)?;
        let mut headers = Headers::default();
        for index in 0..count {
            let (name, value) = (word(4 + index * 8)?, word(8 + index * 8)?);
            let name_bytes = bytes.get(at..at.checked_add(name)?)?;
            at += name + 1;
            let value_bytes = bytes.get(at..at.checked_add(value)?)?;
            at += value + 1;
            headers.add(std::str::from_utf8(name_bytes).ok()?, value_bytes);
        }
        Some(headers)
    }
}
