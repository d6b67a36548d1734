//! The program `stack-audit`; everything is in the library.

fn main() -> std::process::ExitCode {
    stackwarden::cli::audit::main()
}
