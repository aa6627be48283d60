//! Versions of the ABI, named by a marker export.

/// Which version of the ABI a module declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AbiVersion {
    /// `proxy_abi_version_0_1_0`
    V0_1_0,
    /// `proxy_abi_version_0_2_0`
    V0_2_0,
    /// `proxy_abi_version_0_2_1`
    V0_2_1,
    /// `proxy_abi_version_0_2_100`: Higress; stock Envoy refuses it.
    V0_2_100,
}

impl AbiVersion {
    /// All of them, oldest first.
    pub const ALL: [AbiVersion; 4] =
        [AbiVersion::V0_1_0, AbiVersion::V0_2_0, AbiVersion::V0_2_1, AbiVersion::V0_2_100];

    /// The marker export.
    pub fn marker(self) -> &'static str {
        match self {
            AbiVersion::V0_1_0 => "proxy_abi_version_0_1_0",
            AbiVersion::V0_2_0 => "proxy_abi_version_0_2_0",
            AbiVersion::V0_2_1 => "proxy_abi_version_0_2_1",
            AbiVersion::V0_2_100 => "proxy_abi_version_0_2_100",
        }
    }

    /// The version as people write it, e.g. `0.2.1`.
    pub fn name(self) -> &'static str {
        match self {
            AbiVersion::V0_1_0 => "0.1.0",
            AbiVersion::V0_2_0 => "0.2.0",
            AbiVersion::V0_2_1 => "0.2.1",
            AbiVersion::V0_2_100 => "0.2.100",
        }
    }

    /// Reads a marker export's name.
    pub fn from_marker(export: &str) -> Option<AbiVersion> {
        AbiVersion::ALL.into_iter().find(|v| v.marker() == export)
    }

    /// Reads the version as people write it.
    pub fn from_name(name: &str) -> Option<AbiVersion> {
        AbiVersion::ALL.into_iter().find(|v| v.name() == name)
    }
}
