//! The static binaries: linked by the toolchain's own linker with the musl that comes with it, and their
//! code in C (SQLite, zstd) compiled by Zig. So each is built on any x86_64 Linux, for both processors.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::wheel::make_executable;
use crate::{command, places, setup};

/// What a binary is built for.
#[derive(Clone, Copy, Debug)]
pub struct Platform {
    /// As Rust names it.
    pub triple: &'static str,
    /// As Zig names it.
    zig: &'static str,
    /// As images name it.
    pub docker: &'static str,
    /// As an ELF file names its processor.
    machine: u16,
}

pub const PLATFORMS: [Platform; 2] = [
    Platform {
        triple: "x86_64-unknown-linux-musl",
        zig: "x86_64-linux-musl",
        docker: "amd64",
        machine: 62,
    },
    Platform {
        triple: "aarch64-unknown-linux-musl",
        zig: "aarch64-linux-musl",
        docker: "arm64",
        machine: 183,
    },
];

impl Platform {
    /// Zig is fetched for x86_64 only.
    pub fn runs_here(self) -> bool {
        self.docker == "amd64"
    }
}

/// How the binaries are built.
#[derive(Clone, Copy)]
pub enum Make {
    /// As a release has them.
    Release,
    /// Unoptimized, in a fraction of the time.
    Hasty,
}

impl Make {
    fn profile(self) -> &'static str {
        match self {
            Self::Release => "static",
            Self::Hasty => "dev",
        }
    }

    /// As cargo calls what it builds by that profile.
    fn folder(self) -> &'static str {
        match self {
            Self::Release => "static",
            Self::Hasty => "debug",
        }
    }
}

/// Builds the command for every platform.
///
/// # Errors
/// When one does not build, or is not what it must be.
pub fn build_all(make: Make) -> anyhow::Result<Vec<(Platform, PathBuf)>> {
    let built = PLATFORMS.map(|platform| {
        let title = format!("building for {}", platform.docker);
        let path = command::step(&title, || build(platform, make))?;
        inspect(&std::fs::read(&path)?, platform)
            .with_context(|| format!("{} is not what it must be", path.display()))?;
        Ok((platform, path))
    });
    built.into_iter().collect()
}

fn build(platform: Platform, make: Make) -> anyhow::Result<PathBuf> {
    let tools = places::target().join("xtask/zig");
    std::fs::create_dir_all(&tools)?;
    let zig = setup::zig()?;
    let compiler = tools.join(format!("zig-cc-{}", platform.docker));
    write_program(&compiler, &compiler_script(&zig, platform))?;
    let archiver = tools.join("zig-ar");
    write_program(&archiver, &format!("#!/bin/sh\nexec '{}' ar \"$@\"\n", zig.display()))?;

    let variable = |name: &str| format!("{name}_{}", platform.triple.replace('-', "_"));
    let cache = places::cache()?.join("zig-cache");
    let mut cargo = command::cargo();
    cargo.args(["build", "--locked", "--package", "wasm-tracer"]);
    cargo.args(["--profile", make.profile(), "--target", platform.triple]);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags().join("\u{1f}")).env("CARGO_INCREMENTAL", "0");
    cargo.env(variable("CC"), compiler).env(variable("AR"), archiver);
    cargo.env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache);
    // Archives of what debuggers read would take longer than all the rest.
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_PROFILE_DEV_STRIP", "symbols");
    command::output(&mut cargo)?;
    Ok(places::target().join(platform.triple).join(make.folder()).join("wasm-tracer"))
}

/// No path of this machine gets into the binary.
fn flags() -> Vec<String> {
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let mut flags = ["-Clinker=rust-lld", "-Clinker-flavor=ld.lld", "-Clink-self-contained=yes"]
        .map(str::to_owned)
        .to_vec();
    flags.push(remap(&places::workspace(), "/workspace"));
    flags.extend(places::cargo_home().map(|home| remap(&home, "/cargo")));
    // The last that fits counts, and this one may lie within the workspace.
    flags.push(remap(&places::target(), "/target"));
    flags
}

/// Zig as the C compiler. The crate `cc` names the target as clang does, which Zig does not understand.
fn compiler_script(zig: &Path, platform: Platform) -> String {
    format!(
        "#!/bin/sh
for argument; do
    shift
    case $argument in --target=*) ;; *) set -- \"$@\" \"$argument\" ;; esac
done
exec '{}' cc -target {} -fno-sanitize=undefined \"$@\"
",
        zig.display(),
        platform.zig
    )
}

fn write_program(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text)?;
    make_executable(path)
}

/// The kind of program header that names a dynamic linker.
const INTERPRETER: u32 = 3;

/// A program for that processor which asks for no dynamic linker.
fn inspect(elf: &[u8], platform: Platform) -> anyhow::Result<()> {
    let short = |at: usize| Some(u16::from_le_bytes(*elf.get(at..)?.first_chunk()?));
    let word = |at: usize| Some(u32::from_le_bytes(*elf.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u64::from_le_bytes(*elf.get(at..)?.first_chunk()?));
    ensure!(elf.starts_with(b"\x7fELF\x02\x01"), "it is no ELF file of 64 bits");
    let machine = short(18).context("its head is cut")?;
    ensure!(machine == platform.machine, "it is for the processor {machine}");
    let (at, size, count) = (|| Some((usize::try_from(long(32)?).ok()?, short(54)?, short(56)?)))()
        .context("its head is cut")?;
    ensure!(count > 0, "it has no program headers");
    for header in 0..usize::from(count) {
        let place = header.checked_mul(size.into()).and_then(|offset| at.checked_add(offset));
        let kind = place.and_then(word).context("its program headers are cut")?;
        ensure!(kind != INTERPRETER, "it is linked dynamically");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{PLATFORMS, inspect};

    #[test]
    fn this_test_is_linked_dynamically_or_for_another_processor() {
        let here = std::fs::read(std::env::current_exe().expect("a path")).expect("readable");
        let said: Vec<_> = PLATFORMS
            .iter()
            .filter_map(|platform| inspect(&here, *platform).err())
            .map(|error| error.to_string())
            .collect();
        assert_eq!(said.len(), 2);
        if cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
            assert_eq!(said, ["it is linked dynamically", "it is for the processor 62"]);
        }
    }

    #[test]
    fn what_is_cut_or_no_program_is_refused() {
        assert!(inspect(b"", PLATFORMS[0]).is_err());
        assert!(inspect(b"#!/bin/sh\n", PLATFORMS[0]).is_err());
        let mut head = b"\x7fELF\x02\x01".to_vec();
        assert!(inspect(&head, PLATFORMS[0]).is_err());
        head.resize(64, 0);
        head[18] = 62;
        let said = inspect(&head, PLATFORMS[0]).expect_err("no program headers").to_string();
        assert_eq!(said, "it has no program headers");
        // They lie beyond the end, and far beyond.
        head[56] = 1;
        head[32] = 64;
        assert!(inspect(&head, PLATFORMS[0]).is_err());
        head[32..40].fill(0xff);
        assert!(inspect(&head, PLATFORMS[0]).is_err());
    }
}
