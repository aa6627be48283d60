//! Annotations: notes of the plugin's own in its timeline ([`abi::graft::ANNOTATE`]).

use abi::Hostcall;
use abi::graft::ANNOTATE;
use proto::fields::mark;

use crate::Recorder;
use crate::host::Host;

impl Recorder {
    /// If a foreign function's call was an annotation: keeps it, whatever the host answered.
    pub(crate) fn annotated(
        &mut self,
        status: u32,
        params: &[u32; 12],
        host: &mut impl Host,
    ) -> bool {
        let [name_at, name_size, at, size, ..] = *params;
        let mut name = [0; ANNOTATE.len()];
        if name_size as usize != name.len()
            || !host.read(&mut name, name_at)
            || name != *ANNOTATE.as_bytes()
        {
            return false;
        }
        if self.top().is_some_and(|frame| frame.keeper.keeps()) {
            let mut text = self.read_text(at, size, host);
            text.marks |= mark::ANNOTATION;
            let kind = Hostcall::CallForeignFunction.number();
            self.write_hostcall(kind, status, &[size], 0, text, host);
        }
        true
    }
}
