//! The `fastbreak` binary.
//!
//! Not here: the command line (`cli`).
fn main() -> std::process::ExitCode {
    limit_malloc_arenas();
    fastbreak::cli::main()
}

/// Re-executes this program with two malloc arenas. By default glibc creates an arena for each of the many threads of the Kafka clients,
/// and an arena does not return freed memory to the system; glibc reads the limit only when a process starts.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn limit_malloc_arenas() {
    use std::os::unix::process::CommandExt;
    const MALLOC_ARENA_MAX: &str = "MALLOC_ARENA_MAX";
    let mut arguments = std::env::args_os();
    if std::env::var_os(MALLOC_ARENA_MAX).is_none()
        && let (Some(name), Ok(program)) = (arguments.next(), std::env::current_exe())
    {
        // `exec` returns only if it fails; the process then runs with glibc's default and uses more memory.
        let _ =
            std::process::Command::new(program).arg0(name).args(arguments).env(MALLOC_ARENA_MAX, "2").exec();
    }
}
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn limit_malloc_arenas() {}
