//! The program `stackctl`; everything is in the library.

fn main() -> std::process::ExitCode {
    stackwarden::cli::stackctl::main()
}
