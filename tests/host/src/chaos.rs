//! A host that answers the recorder anything: any status at any time, with any bytes, sizes and call
//! ids. What it answers the plugin stays as it is.

use abi::{Hostcall, ParamKind};
use wasmtime::Result;

use crate::State;
use crate::clock::Random;
use crate::imports::{Args, Guest, perform};

/// Sizes around the edges of what the recorder has room for.
const SIZES: [u32; 12] = [0, 1, 3, 4, 11, 64, 1_000, 16_383, 16_384, 16_385, 65_536, 100_000];
/// Statuses, those of the ABI and others.
const STATUSES: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 1 << 31, u32::MAX];

/// What it draws from, and how far it goes.
#[derive(Debug)]
pub struct Chaos {
    random: Random,
    /// Of a hundred hostcalls so many are answered at random.
    percent: u32,
    /// Also what the recorder passes on to the plugin: its ticks hang on clock and timer, and the
    /// status that it reads may be the one that the recorder saved.
    all: bool,
}

impl Chaos {
    /// The same answers for the same seed.
    pub fn new(seed: u64, percent: u32) -> Chaos {
        Chaos { random: Random(seed), percent, all: false }
    }

    /// What is passed on to the plugin is answered at random too.
    pub fn with_all(mut self) -> Chaos {
        self.all = true;
        self
    }

    fn word(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn long(&mut self) -> u64 {
        u64::from(self.word()) << 32 | u64::from(self.word())
    }

    fn below(&mut self, limit: u32) -> u32 {
        self.word() % limit
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }

    fn touches(&mut self, hostcall: Hostcall) -> bool {
        let passed_on = matches!(
            hostcall,
            Hostcall::ClockTimeGet
                | Hostcall::GetCurrentTime
                | Hostcall::SetTickPeriod
                | Hostcall::GetStatus
        );
        (self.all || !passed_on) && self.below(100) < self.percent
    }
}

/// What is answered to a hostcall in place of the host's own answer; `None`: that.
pub(crate) fn answer(
    guest: &mut Guest<'_>,
    hostcall: Hostcall,
    args: &Args,
) -> Result<Option<u32>> {
    if guest.who != crate::Who::Recorder {
        return Ok(None);
    }
    let Some(mut chaos) = guest.state().chaos.take() else { return Ok(None) };
    let status = match chaos.touches(hostcall) {
        true => Some(garbage(guest, hostcall, args, &mut chaos)?),
        false => None,
    };
    guest.state().chaos = Some(chaos);
    Ok(status)
}

fn garbage(
    guest: &mut Guest<'_>,
    hostcall: Hostcall,
    args: &Args,
    chaos: &mut Chaos,
) -> Result<u32> {
    match chaos.below(4) {
        // Nothing is done, and any status is said.
        0 => return Ok(chaos.of(&STATUSES)),
        // It is done, and any status is said. A dispatch that was made and yet refused is answered.
        1 => {
            perform(guest, hostcall, args)?;
            let status = chaos.of(&STATUSES);
            // Unless it goes all the way: no host calls back for a dispatch that it refused.
            if hostcall == Hostcall::HttpCall && status != 0 && !chaos.all {
                guest.state().forget_last_call();
            }
            return Ok(status);
        }
        _ => {}
    }
    for (at, param) in hostcall.row().params.iter().enumerate() {
        match param.kind {
            ParamKind::Out => {
                let long = matches!(hostcall, Hostcall::ClockTimeGet | Hostcall::GetCurrentTime);
                let mut number = chaos.long() >> chaos.of(&[0, 8, 32, 60]);
                if hostcall == Hostcall::HttpCall && !chaos.all {
                    // Not the id of a call that the plugin has or will have.
                    number |= 1 << 31;
                }
                match long {
                    true => _ = guest.put_long(args.int(at), number),
                    false => _ = guest.put_word(args.int(at), number as u32),
                }
            }
            ParamKind::OutBytes if chaos.below(4) == 0 => {
                let (address, size) = args.out_bytes(at);
                let size_said = chaos.word() >> chaos.of(&[0, 8, 20, 30]);
                let address_said = chaos.word();
                guest.put_word(address, address_said);
                guest.put_word(size, size_said);
            }
            ParamKind::OutBytes => {
                let mut bytes = vec![0; chaos.of(&SIZES) as usize];
                chaos.random.fill(&mut bytes);
                if chaos.below(2) == 0 && bytes.len() > 4 {
                    // A header map whose count is not absurd, so that its sizes are looked at.
                    bytes[..4].copy_from_slice(&chaos.below(40).to_le_bytes());
                    for at in (4..bytes.len().min(324)).step_by(4) {
                        let bound = chaos.of(&[4, 64, 70_000]);
                        let size = chaos.below(bound).to_le_bytes();
                        let end = (at + 4).min(bytes.len());
                        bytes[at..end].copy_from_slice(&size[..end - at]);
                    }
                }
                let status = guest.put_bytes(args.out_bytes(at), &bytes)?;
                if status != abi::Status::Ok {
                    return Ok(status.number());
                }
            }
            ParamKind::Address if hostcall == Hostcall::RandomGet => {
                let mut bytes = vec![0; args.int(1) as usize];
                if chaos.below(2) == 0 {
                    chaos.random.fill(&mut bytes);
                }
                guest.write(args.int(0), &bytes);
            }
            _ => {}
        }
    }
    Ok(0)
}

/// The id of a call of the recorder's: any that no call of the plugin has or will have.
pub(crate) fn call_id(state: &mut State, next: u32) -> u32 {
    let Some(mut chaos) = state.chaos.take() else { return next };
    let answered: Vec<u32> = (state.calls.iter())
        .filter(|call| call.answered.is_some() && call.id < 0x0100_0000)
        .map(|call| call.id)
        .collect();
    let id = match chaos.below(6) {
        0 if chaos.percent > 0 => chaos.of(&[u32::MAX, u32::MAX - 3, 1 << 31, 0x0100_0004]),
        1 if !answered.is_empty() => chaos.of(&answered),
        _ => next,
    };
    state.chaos = Some(chaos);
    id
}
