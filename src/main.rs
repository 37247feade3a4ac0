//! The `fastbreak` command.
fn main() -> std::process::ExitCode {
    fastbreak::cli::main()
}
