//! The status that a plugin reads with `proxy_get_status`. The host keeps one a root, and a failure of
//! the recorder's own call would overwrite it; so it is saved when it was made for the plugin.

use crate::Recorder;
use crate::host::Host;

impl Recorder {
    /// The host just made a status for the plugin.
    pub(crate) fn save_status(&mut self, context: u32, host: &mut impl Host) {
        let Some(root) = self.roots.get(context) else { return };
        root.spoiled = false;
        let reading = &mut self.readings.status;
        if reading.may_ask(self.now)
            && let Ok((code, message)) = reading.note(self.now, host.status())
        {
            root.status_code = code;
            root.status_message.set(message);
        }
    }

    /// The callback is over: of the status only the code stays (`envoy Context::onHttpCallFailure,
    /// onGrpcCloseWrapper`).
    pub(crate) fn forget_status_message(&mut self, context: u32) {
        if let Some(root) = self.roots.get(context) {
            root.status_message.set(b"");
        }
    }

    /// A call of our own failed without headers: the host's status is ours now. Where the host lets
    /// nobody read it, the plugin is refused as it always was.
    pub(crate) fn spoil_status(&mut self, context: u32, host: &mut impl Host) {
        if let Some(root) = self.roots.get(context)
            && !root.spoiled
        {
            let reading = &mut self.readings.status;
            root.spoiled =
                reading.may_ask(self.now) && reading.note(self.now, host.status()).is_ok();
        }
    }

    /// The status that the plugin is to read, if the host's is not the plugin's. The host looks at the
    /// root of the effective context (proxy-wasm-cpp-host `src/exports.cc: get_status`).
    pub fn saved_status(&mut self) -> Option<(u32, &[u8])> {
        let effective = self.top()?.effective;
        let root = self.root_of(effective);
        let root = self.roots.look(root)?;
        root.spoiled.then(|| (root.status_code, root.status_message.get()))
    }

    /// Copies the saved message to an absolute address.
    pub fn saved_status_copy(&mut self, destination: u32, host: &mut impl Host) {
        if let Some((_, message)) = self.saved_status()
            && !message.is_empty()
        {
            host.write(destination, message);
        }
    }
}
