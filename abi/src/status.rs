//! Results of hostcalls (proxy-wasm spec, `proxy_status_t`; host-semantics §1.1).

/// What a hostcall answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// 0
    Ok,
    /// 1
    NotFound,
    /// 2
    BadArgument,
    /// 3
    SerializationFailure,
    /// 4
    ParseFailure,
    /// 5
    BadExpression,
    /// 6
    InvalidMemoryAccess,
    /// 7
    Empty,
    /// 8
    CasMismatch,
    /// 9
    ResultMismatch,
    /// 10
    InternalFailure,
    /// 11
    BrokenConnection,
    /// 12
    Unimplemented,
    /// Any other number.
    Other(u32),
}

const NAMES: [(Status, &str); 13] = [
    (Status::Ok, "ok"),
    (Status::NotFound, "not_found"),
    (Status::BadArgument, "bad_argument"),
    (Status::SerializationFailure, "serialization_failure"),
    (Status::ParseFailure, "parse_failure"),
    (Status::BadExpression, "bad_expression"),
    (Status::InvalidMemoryAccess, "invalid_memory_access"),
    (Status::Empty, "empty"),
    (Status::CasMismatch, "cas_mismatch"),
    (Status::ResultMismatch, "result_mismatch"),
    (Status::InternalFailure, "internal_failure"),
    (Status::BrokenConnection, "broken_connection"),
    (Status::Unimplemented, "unimplemented"),
];

impl Status {
    /// Reads the ABI's number.
    pub fn from_number(number: u32) -> Status {
        NAMES.get(number as usize).map_or(Status::Other(number), |(status, _)| *status)
    }

    /// The ABI's number.
    pub const fn number(self) -> u32 {
        match self {
            Status::Ok => 0,
            Status::NotFound => 1,
            Status::BadArgument => 2,
            Status::SerializationFailure => 3,
            Status::ParseFailure => 4,
            Status::BadExpression => 5,
            Status::InvalidMemoryAccess => 6,
            Status::Empty => 7,
            Status::CasMismatch => 8,
            Status::ResultMismatch => 9,
            Status::InternalFailure => 10,
            Status::BrokenConnection => 11,
            Status::Unimplemented => 12,
            Status::Other(number) => number,
        }
    }

    /// Its name, if the ABI has one.
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(s, _)| *s == self).map(|(_, name)| *name)
    }

    /// Reads a name.
    pub fn from_name(name: &str) -> Option<Status> {
        NAMES.iter().find(|(_, n)| *n == name).map(|(status, _)| *status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_read_back() {
        for number in 0..20 {
            let status = Status::from_number(number);
            assert_eq!(status.number(), number);
            if let Some(name) = status.name() {
                assert_eq!(Status::from_name(name), Some(status));
            }
        }
        assert_eq!(Status::from_number(12), Status::Unimplemented);
    }
}
