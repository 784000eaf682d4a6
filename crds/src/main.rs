//! Prints the CRD as YAML.

use std::{
    error::Error,
    io::{self, Write as _},
};

fn main() -> Result<(), Box<dyn Error>> {
    io::stdout().write_all(wikiingest_crds::crd::yaml()?.as_bytes())?;
    Ok(())
}
