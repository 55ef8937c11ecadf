//! Starts `orderctl`. Everything else is the library's.

fn main() -> std::process::ExitCode {
    orderctl::main()
}
