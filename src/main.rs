//! The `fastbreak` binary.
//!
//! Invariant: Rust code and the C libraries allocate memory with the same allocator.
//! Not here: the command line (`cli`).

/// glibc's allocator creates an arena for each of the many threads of the Kafka clients, and an arena does not return freed memory to the
/// system. mimalloc returns freed memory. It also replaces `malloc` for librdkafka and SQLite (feature `override`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    fastbreak::cli::main()
}
