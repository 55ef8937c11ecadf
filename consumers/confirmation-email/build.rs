//! Has a migration that is added compiled in, also where no source file changed.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
