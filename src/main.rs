//! The `fastbreak` command.
//!
//! Not here: what it does (`cli`).
fn main() -> std::process::ExitCode {
    share_heaps();
    fastbreak::cli::main()
}

/// Starts again with two heaps for all threads. By default glibc gives each of the many threads of the brokers' clients a heap of its own,
/// which keeps what was freed in it; their number can only be set before a process starts.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn share_heaps() {
    use std::os::unix::process::CommandExt;
    const HEAPS: &str = "MALLOC_ARENA_MAX";
    let mut arguments = std::env::args_os();
    if std::env::var_os(HEAPS).is_none()
        && let (Some(name), Ok(program)) = (arguments.next(), std::env::current_exe())
    {
        // It comes back only when it could not: more memory is then all there is to it.
        let _ = std::process::Command::new(program).arg0(name).args(arguments).env(HEAPS, "2").exec();
    }
}
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn share_heaps() {}
