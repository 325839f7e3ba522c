//! Whether this process may use AMX.

use std::sync::OnceLock;

/// The environment variable that switches AMX.
const SWITCH: &str = "MPNET_BURN_AMX";

/// The multiplier of tiles in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amx {
    /// None: weights are packed for other instructions.
    Off,
    /// The processor.
    Hardware,
    /// The [emulation](super::emulated) in Rust, on any processor: for tests, because it is slow.
    Emulated,
}

/// Whether AMX is used: the processor has it, Linux lets this process use it, and nobody turned it off; or it is emulated.
/// Detected once.
pub(crate) fn amx() -> Amx {
    static AMX: OnceLock<Amx> = OnceLock::new();
    *AMX.get_or_init(|| {
        let switch = std::env::var_os(SWITCH).unwrap_or_default();
        let is = |word: &str| switch.eq_ignore_ascii_case(word);
        if is("emulated") {
            Amx::Emulated
        } else if !["0", "off", "false", "no"].into_iter().any(is) && usable() {
            Amx::Hardware
        } else {
            Amx::Off
        }
    })
}

/// Whether weights are packed for AMX, or for its emulation.
pub(crate) fn wanted() -> bool {
    amx() != Amx::Off
}

/// Whether the processor has tiles and their products of bfloat16 and of bytes (all that have tiles have both), the system
/// saves the tiles when it switches between threads, and it permits this process to use them.
///
/// The permission holds for all threads of the process, for good.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) fn usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    *USABLE.get_or_init(|| linux::has_tiles() && linux::system_keeps_tiles() && linux::ask_leave())
}

/// No AMX on other systems, or nobody has tried how to request it.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub(super) fn usable() -> bool {
    false
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod linux {
    #![allow(unsafe_code, reason = "the instructions that ask, and one system call")]
    #![allow(
        unused_unsafe,
        reason = "CPUID is safe only in newer compilers than the oldest that builds this"
    )]

    use std::arch::asm;
    use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

    /// CPUID leaf 1, `ecx`: XGETBV may be used.
    const OSXSAVE: u32 = 1 << 27;
    /// CPUID leaf 7, `edx`.
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    const AMX_INT8: u32 = 1 << 25;
    const AMX: u32 = AMX_BF16 | AMX_TILE | AMX_INT8;
    /// CPUID leaf 0x1d, palette 1: eight tiles of 16 rows of 64 bytes, in `eax` (bytes of a tile in the
    /// upper half), `ebx` (tiles, bytes of a row) and `ecx` (rows).
    const PALETTES: u32 = 0x1d;
    const TILE_BYTES: u32 = 1024;
    const TILES_AND_ROW_BYTES: u32 = 8 << 16 | 64;
    const ROWS: u32 = 16;
    /// Configuration and data of the tiles, in the register of the states that the system saves.
    const TILE_STATE: u64 = 1 << TILE_CONFIGURATION | 1 << TILE_DATA;
    const TILE_CONFIGURATION: u32 = 17;
    const TILE_DATA: u32 = 18;

    pub(super) fn has_tiles() -> bool {
        // SAFETY: every x86-64 processor has CPUID; leaf 0 says which others it has.
        let leaves = unsafe { __cpuid(0) }.eax;
        if leaves < PALETTES {
            return false;
        }
        // SAFETY: both leaves exist.
        let (features, palette) = unsafe { (__cpuid_count(7, 0).edx, __cpuid_count(PALETTES, 1)) };
        features & AMX == AMX
            && palette.eax >> 16 == TILE_BYTES
            && palette.ebx == TILES_AND_ROW_BYTES
            && palette.ecx & 0xffff == ROWS
    }

    pub(super) fn system_keeps_tiles() -> bool {
        // SAFETY: every x86-64 processor has leaf 1.
        if unsafe { __cpuid(1) }.ecx & OSXSAVE == 0 {
            return false;
        }
        #[target_feature(enable = "xsave")]
        fn kept() -> u64 {
            // SAFETY: register 0 exists wherever XGETBV does.
            unsafe { _xgetbv(0) }
        }
        // SAFETY: OSXSAVE says that the processor has XSAVE and the system has turned it on.
        unsafe { kept() & TILE_STATE == TILE_STATE }
    }

    /// Linux saves the 8 KiB of tiles only for processes that request it.
    pub(super) fn ask_leave() -> bool {
        const ARCH_PRCTL: u64 = 158;
        const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
        let answer: i64;
        // SAFETY: `arch_prctl` with this request reads and writes no memory of the process; an
        // unknown one (Linux before 5.16) is answered with an error. The kernel changes `rcx` and
        // `r11`, which are given up.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") ARCH_PRCTL => answer,
                in("rdi") ARCH_REQ_XCOMP_PERM,
                in("rsi") u64::from(TILE_DATA),
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        answer == 0
    }
}
