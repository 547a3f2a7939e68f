//! Settings: flags, environment, defaults and errors.

mod flags;
mod read;
mod token;
mod values;
