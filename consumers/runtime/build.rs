//! Has a migration that is added compiled in, also where no source file changed.
#![expect(clippy::print_stdout, reason = "how a build script talks to cargo")]

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
