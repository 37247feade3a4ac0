//! The `fastbreak` binary.
//!
//! Not here: the command line (`cli`).
fn main() -> std::process::ExitCode {
    fastbreak::cli::main()
}
