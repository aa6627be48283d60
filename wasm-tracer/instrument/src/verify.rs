//! Proof that a module was made from another: the section that we left in it says how, the rewrite is
//! done again, and the bytes must be the same. The section alone proves nothing; it only says what to
//! try.

use thiserror::Error;

use crate::customs::{hex, sha256};
use crate::difference::{self, Difference};
use crate::module::Module;
use crate::options::Options;
use crate::{Refusal, own, rewrite};

/// How a module was made; what [`crate::verify`] has proved.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// SHA-256 of the original, in hexadecimal digits.
    pub original: String,
    /// The options, with the host that was settled on.
    pub options: Options,
}

/// Why it is not proved that a module was made from another.
#[derive(Debug, Error)]
pub enum Mismatch {
    /// A file that is no module.
    #[error("the traced module cannot be read: {0}")]
    Unreadable(Refusal),
    /// No section of ours.
    #[error("the module is not instrumented; give the traced module first, then its original")]
    NotInstrumented,
    /// Traced module and original were given in the wrong order.
    #[error(
        "the first module is not instrumented and the second is; give the traced module first, then its original"
    )]
    Swapped,
    /// A section of ours that we never write.
    #[error("the module's section \"wasm-tracer\" was not written by wasm-tracer: {detail}")]
    NotOurs {
        /// What is wrong with it.
        detail: String,
    },
    /// It says that it was made from another module.
    #[error(
        "the module was made from another original: from one with SHA-256 {recorded}, and this one has {given}"
    )]
    OtherOriginal {
        /// What the section says.
        recorded: String,
        /// What the given original has.
        given: String,
    },
    /// The original is one that we do not rewrite, with these options.
    #[error("the module cannot have been made from this original: {0}")]
    Refused(Refusal),
    /// It says that another version made it, so this one's rewrite differs.
    #[error(
        "the module says that wasm-tracer {made_by} made it from this original; {ours} is running, whose rewrite differs: {difference}; verify it with wasm-tracer {made_by}"
    )]
    OtherVersion {
        /// Version in the section.
        made_by: String,
        /// Our own.
        ours: &'static str,
        /// Where the module differs from our rewrite.
        difference: Difference,
    },
    /// This version, but with another recorder in it: a build of other sources.
    #[error(
        "the module says that another build of wasm-tracer {version} made it from this original, with the recorder {recorded}; here it is {ours}, and the rewrite differs: {difference}; verify it with the build that made it"
    )]
    OtherRecorder {
        /// Version of both.
        version: String,
        /// SHA-256 of the recorder in the section.
        recorded: String,
        /// SHA-256 of ours.
        ours: String,
        /// Where the module differs from our rewrite.
        difference: Difference,
    },
    /// This very build would have written other bytes.
    #[error(
        "the module was altered after it was made, or not made by wasm-tracer: it differs from the rewrite of this original, {difference}"
    )]
    Altered {
        /// Where it differs.
        difference: Difference,
    },
}

impl Mismatch {
    /// Its stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Mismatch::Unreadable(_) => "unreadable",
            Mismatch::NotInstrumented => "not-instrumented",
            Mismatch::Swapped => "swapped",
            Mismatch::NotOurs { .. } => "not-ours",
            Mismatch::OtherOriginal { .. } => "other-original",
            Mismatch::Refused(_) => "refused",
            Mismatch::OtherVersion { .. } => "other-version",
            Mismatch::OtherRecorder { .. } => "other-recorder",
            Mismatch::Altered { .. } => "altered",
        }
    }
}

/// See [`crate::verify`].
pub(crate) fn verify(graft: &[u8], traced: &[u8], original: &[u8]) -> Result<Made, Mismatch> {
    let module = Module::parse(traced).map_err(Mismatch::Unreadable)?;
    let Some(section) = module.custom(own::NAME) else {
        let swapped =
            Module::parse(original).is_ok_and(|module| module.custom(own::NAME).is_some());
        return Err(if swapped { Mismatch::Swapped } else { Mismatch::NotInstrumented });
    };
    let own = own::read(section.data()).map_err(|detail| Mismatch::NotOurs { detail })?;
    let given = hex(&sha256(original));
    if own.original != given {
        return Err(Mismatch::OtherOriginal { recorded: own.original, given });
    }
    let again = rewrite::instrument(graft, original, &own.options).map_err(Mismatch::Refused)?;
    let difference = difference::first(traced, &again.wasm).map_err(Mismatch::Unreadable)?;
    let Some(difference) = difference else {
        return Ok(Made { original: own.original, options: own.options });
    };
    let ours = hex(&sha256(graft));
    Err(match () {
        () if own.version != crate::VERSION => {
            Mismatch::OtherVersion { made_by: own.version, ours: crate::VERSION, difference }
        }
        () if own.recorder != ours => Mismatch::OtherRecorder {
            version: own.version,
            recorded: own.recorder,
            ours,
            difference,
        },
        () => Mismatch::Altered { difference },
    })
}
