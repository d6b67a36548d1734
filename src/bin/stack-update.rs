//! The program `stack-update`; everything is in the library.

fn main() -> std::process::ExitCode {
    stackwarden::cli::update::main()
}
