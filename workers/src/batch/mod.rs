//! The batch worker: dump files in, rows and objects out.
//!
//! | stage | module | in → out |
//! |---|---|---|
//! | list | [`list`] | index pages → the units of a window |
//! | fetch | [`fetch`] | a URL → bytes, resumed and verified |
//! | decode | [`decode`] | gzip → blocks of whole lines |
//! | parse | [`parse`] | lines → [`Batch`](crate::rows::Batch)es, rejects, roll-ups |
//! | sink, ledger | [`crate::sinks`] | batches → rows and objects, committed once |
//!
//! [`unit`](mod@unit) runs one file through them; [`run`] decides which files are due, and `gaps` whether those that a
//! mirror lacks are anywhere.

pub mod bzip2;
pub mod dataset;
pub mod decode;
pub mod events;
pub mod fetch;
mod gaps;
pub mod list;
pub mod parse;
pub mod rollup;
pub mod run;
pub mod survey;
pub mod unit;
